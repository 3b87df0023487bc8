#include <weir/gateway/scalar.hpp>

#include <charconv>
#include <cmath>
#include <limits>

#include <fmt/format.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include <weir/base/json.hpp>
#include <weir/base/time.hpp>
#include <weir/gateway/base64.hpp>

namespace weir::gateway {
namespace {

namespace pb = google::protobuf;
using Field = pb::FieldDescriptor;

Error expected(std::string_view where, std::string_view what, std::string_view text) {
  // A cut through the middle of a character must not make the message unprintable.
  const auto shown = text.size() <= 64 && is_utf8(text) ? fmt::format(", not '{}'", text) : "";
  return invalid_field(where, fmt::format("expected {}{}", what, shown));
}

template <class Number>
bool parse_whole(std::string_view text, Number& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size();
}

/// Integers written as "1e3" or "2.0" are read through a double as long as that is exact.
template <class Number>
bool parse_integer(std::string_view text, Number& value) {
  if (parse_whole(text, value)) return true;
  double wide = 0;
  if (text.find_first_of(".eE") == std::string_view::npos || !parse_whole(text, wide)) return false;
  constexpr double exact_max = 9007199254740992.0;
  if (wide != std::trunc(wide) || std::abs(wide) > exact_max ||
      wide < static_cast<double>(std::numeric_limits<Number>::min()) ||
      wide > static_cast<double>(std::numeric_limits<Number>::max())) {
    return false;
  }
  value = static_cast<Number>(wide);
  return true;
}

template <class Float>
bool parse_float(std::string_view text, Float& value) {
  if (text == "NaN") return value = std::numeric_limits<Float>::quiet_NaN(), true;
  if (text == "Infinity") return value = std::numeric_limits<Float>::infinity(), true;
  if (text == "-Infinity") return value = -std::numeric_limits<Float>::infinity(), true;
  return parse_whole(text, value) && std::isfinite(value);
}

template <class Value, class Set, class Add>
void store(pb::Message& message, const Field& field, Value&& value, Set set, Add add) {
  const auto* reflection = message.GetReflection();
  if (field.is_repeated()) {
    (reflection->*add)(&message, &field, std::forward<Value>(value));
  } else {
    (reflection->*set)(&message, &field, std::forward<Value>(value));
  }
}

template <class Number, class Set, class Add>
Result<void> set_integer(pb::Message& message, const Field& field, std::string_view text,
                         std::string_view where, Set set, Add add) {
  Number value = 0;
  if (!parse_integer(text, value)) {
    return expected(where,
                    fmt::format("an integer from {} to {}", std::numeric_limits<Number>::min(),
                                std::numeric_limits<Number>::max()),
                    text);
  }
  store(message, field, value, set, add);
  return {};
}

Result<void> set_enum(pb::Message& message, const Field& field, std::string_view text,
                      std::string_view where) {
  const auto* known = field.enum_type()->FindValueByName(std::string(text));
  int number = 0;
  if (known != nullptr) {
    number = known->number();
  } else if (!parse_whole(text, number)) {
    return expected(where, "a name of " + field.enum_type()->name(), text);
  }
  store(message, field, number, &pb::Reflection::SetEnumValue, &pb::Reflection::AddEnumValue);
  return {};
}

Result<void> set_string(pb::Message& message, const Field& field, std::string_view text,
                        std::string_view where) {
  std::string value(text);
  if (field.type() == Field::TYPE_BYTES) {
    auto bytes = decode_base64(text);
    if (!bytes) return expected(where, "base64", text);
    value = std::move(*bytes);
  } else if (!is_utf8(text)) {
    return invalid_field(where, "not valid UTF-8");
  }
  store(message, field, std::move(value), &pb::Reflection::SetString, &pb::Reflection::AddString);
  return {};
}

Result<void> set_duration(pb::Duration& duration, std::string_view text, std::string_view where) {
  const auto fail = [&] { return expected(where, "a duration such as 1.5s", text); };
  if (!text.ends_with('s')) return fail();
  auto digits = text.substr(0, text.size() - 1);
  const bool negative = digits.starts_with('-');
  if (negative) digits.remove_prefix(1);
  const auto dot = digits.find('.');
  std::int64_t seconds = 0;
  constexpr std::int64_t seconds_max = 315'576'000'000;
  if (!parse_whole(digits.substr(0, dot), seconds) || seconds < 0 || seconds > seconds_max) {
    return fail();
  }
  std::uint32_t nanos = 0;
  if (dot != std::string_view::npos) {
    std::string fraction(digits.substr(dot + 1));
    if (fraction.empty() || fraction.size() > 9) return fail();
    fraction.resize(9, '0');
    if (!parse_whole(std::string_view(fraction), nanos)) return fail();
  }
  duration.set_seconds(negative ? -seconds : seconds);
  duration.set_nanos(static_cast<std::int32_t>(nanos) * (negative ? -1 : 1));
  return {};
}

}  // namespace

bool is_time(const pb::Descriptor& type) {
  return &type == pb::Timestamp::descriptor() || &type == pb::Duration::descriptor();
}

Result<void> set_time(pb::Message& message, std::string_view text, std::string_view where) {
  if (message.GetDescriptor() == pb::Duration::descriptor()) {
    return set_duration(static_cast<pb::Duration&>(message), text, where);
  }
  const auto time = parse_timestamp(text);
  if (!time) return expected(where, "a time such as 2011-10-11T13:45:40.276Z", text);
  const auto seconds = std::chrono::floor<std::chrono::seconds>(*time);
  auto& timestamp = static_cast<pb::Timestamp&>(message);
  timestamp.set_seconds(seconds.time_since_epoch().count());
  timestamp.set_nanos(static_cast<std::int32_t>((*time - seconds).count() * 1000));
  return {};
}

Result<void> set_scalar(pb::Message& message, const Field& field, std::string_view text,
                        std::string_view where) {
  using R = pb::Reflection;
  switch (field.cpp_type()) {
    case Field::CPPTYPE_INT32:
      return set_integer<std::int32_t>(message, field, text, where, &R::SetInt32, &R::AddInt32);
    case Field::CPPTYPE_INT64:
      return set_integer<std::int64_t>(message, field, text, where, &R::SetInt64, &R::AddInt64);
    case Field::CPPTYPE_UINT32:
      return set_integer<std::uint32_t>(message, field, text, where, &R::SetUInt32, &R::AddUInt32);
    case Field::CPPTYPE_UINT64:
      return set_integer<std::uint64_t>(message, field, text, where, &R::SetUInt64, &R::AddUInt64);
    case Field::CPPTYPE_DOUBLE: {
      double value = 0;
      if (!parse_float(text, value)) return expected(where, "a number", text);
      store(message, field, value, &R::SetDouble, &R::AddDouble);
      return {};
    }
    case Field::CPPTYPE_FLOAT: {
      float value = 0;
      if (!parse_float(text, value)) return expected(where, "a number", text);
      store(message, field, value, &R::SetFloat, &R::AddFloat);
      return {};
    }
    case Field::CPPTYPE_BOOL:
      if (text != "true" && text != "false") return expected(where, "true or false", text);
      store(message, field, text == "true", &R::SetBool, &R::AddBool);
      return {};
    case Field::CPPTYPE_ENUM:
      return set_enum(message, field, text, where);
    case Field::CPPTYPE_STRING:
      return set_string(message, field, text, where);
    case Field::CPPTYPE_MESSAGE:
      break;
  }
  return internal_bug("set_scalar on a message field");
}

}  // namespace weir::gateway
