#include <weir/gateway/json_writer.hpp>

#include <algorithm>
#include <cmath>
#include <iterator>

#include <fmt/format.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include <weir/gateway/v1/annotations.pb.h>
#include <weir/base/json.hpp>
#include <weir/base/time.hpp>
#include <weir/gateway/base64.hpp>
#include <weir/gateway/payload.hpp>

namespace weir::gateway {
namespace {

namespace pb = google::protobuf;
using Field = pb::FieldDescriptor;

constexpr std::int64_t exact_max = std::int64_t{1} << 53;

/// The value of a singular field, or of one element of a repeated one.
template <class One, class Many>
auto value_of(const pb::Message& message, const Field* field, int index, One one, Many many) {
  const auto* reflection = message.GetReflection();
  return index < 0 ? (reflection->*one)(message, field)
                   : (reflection->*many)(message, field, index);
}

std::string integer_text(const pb::Message& message, const Field* field, int index) {
  using R = pb::Reflection;
  switch (field->cpp_type()) {
    case Field::CPPTYPE_INT32:
      return std::to_string(value_of(message, field, index, &R::GetInt32, &R::GetRepeatedInt32));
    case Field::CPPTYPE_UINT32:
      return std::to_string(value_of(message, field, index, &R::GetUInt32, &R::GetRepeatedUInt32));
    case Field::CPPTYPE_INT64:
      return std::to_string(value_of(message, field, index, &R::GetInt64, &R::GetRepeatedInt64));
    default:
      return std::to_string(value_of(message, field, index, &R::GetUInt64, &R::GetRepeatedUInt64));
  }
}

bool fits_a_number(const pb::Message& message, const Field* field, int index) {
  using R = pb::Reflection;
  if (field->cpp_type() == Field::CPPTYPE_INT64) {
    const auto value = value_of(message, field, index, &R::GetInt64, &R::GetRepeatedInt64);
    return value >= -exact_max && value <= exact_max;
  }
  if (field->cpp_type() == Field::CPPTYPE_UINT64) {
    return value_of(message, field, index, &R::GetUInt64, &R::GetRepeatedUInt64) <=
           static_cast<std::uint64_t>(exact_max);
  }
  return true;
}

template <class Float>
std::string float_text(Float value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  return fmt::format("{}", value);
}

std::string timestamp_text(const pb::Timestamp& time) {
  const auto seconds = Timestamp(std::chrono::seconds(time.seconds()));
  if (time.nanos() % 1000 == 0) {
    return format_timestamp(seconds + std::chrono::microseconds(time.nanos() / 1000));
  }
  auto text = format_timestamp(seconds);
  text.pop_back();
  return fmt::format("{}.{:09}Z", text, time.nanos());
}

std::string duration_text(const pb::Duration& duration) {
  if (duration.nanos() == 0) return fmt::format("{}s", duration.seconds());
  const bool negative = duration.seconds() < 0 || duration.nanos() < 0;
  return fmt::format("{}{}.{:09}s", negative ? "-" : "", std::abs(duration.seconds()),
                     std::abs(duration.nanos()));
}

class Writer {
 public:
  Writer(std::string& out, JsonLayout layout) : out_(out), layout_(layout) {}

  void message(const pb::Message& message) {
    const auto* type = message.GetDescriptor();
    if (type == pb::Timestamp::descriptor()) {
      append_json_string(out_, timestamp_text(static_cast<const pb::Timestamp&>(message)));
    } else if (type == pb::Duration::descriptor()) {
      append_json_string(out_, duration_text(static_cast<const pb::Duration&>(message)));
    } else {
      out_ += '{';
      members(message, nullptr);
      out_ += '}';
    }
  }

  void members(const pb::Message& message, const Field* skipped) {
    const auto* type = message.GetDescriptor();
    bool first = true;
    for (int i = 0; i < type->field_count(); ++i) {
      const auto* field = type->field(i);
      if (field == skipped || !appears(message, field)) continue;
      if (!first) out_ += ',';
      first = false;
      if (is_payload(*field)) {
        payload(message, field);
        continue;
      }
      name(field->json_name());
      if (field->is_map()) {
        map(message, field);
      } else if (field->is_repeated()) {
        list(message, field);
      } else {
        value(message, field, -1);
      }
    }
  }

 private:
  static bool appears(const pb::Message& message, const Field* field) {
    const auto* reflection = message.GetReflection();
    if (field->is_map()) return reflection->FieldSize(message, field) > 0;
    if (field->is_repeated()) return true;
    if (field->has_presence() || field->cpp_type() == Field::CPPTYPE_STRING) {
      // What a client may count on is there, though it be empty.
      return reflection->HasField(message, field) || field->options().GetExtension(v1::required);
    }
    return true;
  }

  void name(std::string_view name) {
    append_json_string(out_, name);
    out_ += ':';
  }

  void payload(const pb::Message& message, const Field* field) {
    std::string scratch;
    const auto& bytes = message.GetReflection()->GetStringReference(message, field, &scratch);
    const auto form = payload_form(message, *field);
    if (form == PayloadForm::json && check_json(bytes)) {
      name(field->json_name());
      const auto begin = out_.size();
      out_ += bytes;
      if (layout_ == JsonLayout::one_line) {
        const auto from = out_.begin() + static_cast<std::ptrdiff_t>(begin);
        std::replace(from, out_.end(), '\n', ' ');
        std::replace(from, out_.end(), '\r', ' ');
      }
    } else if (form == PayloadForm::text && is_utf8(bytes)) {
      name(field->json_name());
      append_json_string(out_, bytes);
    } else {
      name(form == PayloadForm::base64 ? field->json_name() : base64_name(*field));
      append_json_string(out_, encode_base64(bytes));
    }
  }

  void list(const pb::Message& message, const Field* field) {
    out_ += '[';
    const int size = message.GetReflection()->FieldSize(message, field);
    for (int i = 0; i < size; ++i) {
      if (i > 0) out_ += ',';
      value(message, field, i);
    }
    out_ += ']';
  }

  void map(const pb::Message& message, const Field* field) {
    out_ += '{';
    const auto* key = field->message_type()->map_key();
    const auto* mapped = field->message_type()->map_value();
    const int size = message.GetReflection()->FieldSize(message, field);
    for (int i = 0; i < size; ++i) {
      if (i > 0) out_ += ',';
      const auto& entry = message.GetReflection()->GetRepeatedMessage(message, field, i);
      name(field_text(entry, *key));
      value(entry, mapped, -1);
    }
    out_ += '}';
  }

  void value(const pb::Message& holder, const Field* field, int index) {
    using R = pb::Reflection;
    switch (field->cpp_type()) {
      case Field::CPPTYPE_BOOL:
        out_ += value_of(holder, field, index, &R::GetBool, &R::GetRepeatedBool) ? "true" : "false";
        break;
      case Field::CPPTYPE_FLOAT:
        number(float_text(value_of(holder, field, index, &R::GetFloat, &R::GetRepeatedFloat)));
        break;
      case Field::CPPTYPE_DOUBLE:
        number(float_text(value_of(holder, field, index, &R::GetDouble, &R::GetRepeatedDouble)));
        break;
      case Field::CPPTYPE_ENUM:
        enumerator(field,
                   value_of(holder, field, index, &R::GetEnumValue, &R::GetRepeatedEnumValue));
        break;
      case Field::CPPTYPE_STRING: {
        const auto text = value_of(holder, field, index, &R::GetString, &R::GetRepeatedString);
        append_json_string(out_, field->type() == Field::TYPE_BYTES ? encode_base64(text) : text);
        break;
      }
      case Field::CPPTYPE_MESSAGE:
        message(index < 0 ? holder.GetReflection()->GetMessage(holder, field)
                          : holder.GetReflection()->GetRepeatedMessage(holder, field, index));
        break;
      default:
        if (fits_a_number(holder, field, index)) {
          out_ += integer_text(holder, field, index);
        } else {
          append_json_string(out_, integer_text(holder, field, index));
        }
    }
  }

  void number(const std::string& text) {
    if (text.find_first_of("NI") == std::string::npos) {
      out_ += text;
    } else {
      append_json_string(out_, text);
    }
  }

  void enumerator(const Field* field, int number) {
    if (const auto* known = field->enum_type()->FindValueByNumber(number)) {
      append_json_string(out_, known->name());
    } else {
      out_ += std::to_string(number);
    }
  }

  std::string& out_;
  const JsonLayout layout_;
};

}  // namespace

void write_json(const pb::Message& message, std::string& out, JsonLayout layout) {
  Writer(out, layout).message(message);
}

void write_json_members(const pb::Message& message, const Field* skipped, std::string& out,
                        JsonLayout layout) {
  Writer(out, layout).members(message, skipped);
}

std::string field_text(const pb::Message& message, const Field& field) {
  if (field.is_repeated()) return {};
  using R = pb::Reflection;
  switch (field.cpp_type()) {
    case Field::CPPTYPE_MESSAGE:
      return {};
    case Field::CPPTYPE_STRING:
      return message.GetReflection()->GetString(message, &field);
    case Field::CPPTYPE_BOOL:
      return message.GetReflection()->GetBool(message, &field) ? "true" : "false";
    case Field::CPPTYPE_ENUM:
      return std::to_string(message.GetReflection()->GetEnumValue(message, &field));
    case Field::CPPTYPE_FLOAT:
      return float_text(value_of(message, &field, -1, &R::GetFloat, &R::GetRepeatedFloat));
    case Field::CPPTYPE_DOUBLE:
      return float_text(value_of(message, &field, -1, &R::GetDouble, &R::GetRepeatedDouble));
    default:
      return integer_text(message, &field, -1);
  }
}

}  // namespace weir::gateway
