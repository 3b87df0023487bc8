#include <weir/gateway/http.hpp>

#include <boost/beast/core/string.hpp>
#include <boost/beast/http/status.hpp>

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

std::string_view reason_phrase(int status) {
  if (status == 499) return "Client Closed Request";
  const auto phrase =
      boost::beast::http::obsolete_reason(static_cast<boost::beast::http::status>(status));
  return {phrase.data(), phrase.size()};
}

}  // namespace weir::gateway
