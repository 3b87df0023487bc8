#include <weir/gateway/http.hpp>

#include <fmt/format.h>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/status.hpp>

#include <weir/base/excerpt.hpp>
#include <weir/gateway/payload.hpp>

namespace weir::gateway {

std::string_view HttpRequest::header(std::string_view name) const {
  for (const auto& header : headers) {
    if (boost::beast::iequals(header.name, name)) return header.value;
  }
  return {};
}

std::string HttpRequest::content_type() const {
  auto value = header("Content-Type");
  value = value.substr(0, value.find(';'));
  while (value.ends_with(' ') || value.ends_with('\t')) value.remove_suffix(1);
  std::string out(value);
  for (auto& c : out) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return out;
}

std::optional<std::string> HttpRequest::not_json() const {
  const auto type = content_type();
  // A page of any origin may send a body without a type, and nobody asks first whether it may.
  if (type.empty() && !body.empty()) return "Content-Type: missing; expected application/json";
  if (payload_form(type) != PayloadForm::json) {
    return fmt::format("Content-Type: expected application/json, not {}", excerpt(type, 128));
  }
  const auto encoding = header("Content-Encoding");
  if (!encoding.empty() && encoding != "identity") {
    return "Content-Encoding: the body must not be compressed";
  }
  return std::nullopt;
}

std::string_view reason_phrase(int status) {
  if (status == 499) return "Client Closed Request";
  const auto phrase =
      boost::beast::http::obsolete_reason(static_cast<boost::beast::http::status>(status));
  return {phrase.data(), phrase.size()};
}

}  // namespace weir::gateway
