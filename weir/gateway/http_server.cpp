#include <weir/gateway/http_server.hpp>

#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include <fmt/format.h>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/write.hpp>

#include <weir/base/assert.hpp>
#include <weir/gateway/connection.hpp>
#include <weir/security/address.hpp>

namespace weir::gateway {

namespace asio = boost::asio;
using asio::ip::tcp;
using ErrorCode = boost::system::error_code;

namespace {

/// Browsers send names in lower case, and no port that goes without saying.
std::string as_sent(std::string origin) {
  for (auto& c : origin) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  for (const auto& [scheme, port] : {std::pair("https://", ":443"), std::pair("http://", ":80")}) {
    if (!origin.starts_with(scheme) || !origin.ends_with(port)) continue;
    origin.resize(origin.size() - std::string_view(port).size());
  }
  return origin;
}

Result<void> check_origins(const HttpOptions& options) {
  for (const auto& origin : options.cors_origins) {
    if (origin == "*") {
      // Any page could then act in the name of whoever looks at it.
      if (!options.cors_credentials) continue;
      return invalid_field("http.cors_credentials", "list the origins instead of '*'");
    }
    const auto host = origin.find("://");
    if (host == std::string::npos || host == 0 || host + 3 == origin.size() ||
        origin.find_first_of("/?#* \t", host + 3) != std::string::npos) {
      return invalid_field("http.cors_origins",
                           fmt::format("'{}' is no origin, such as https://a.example:8443, "
                                       "nor '*'",
                                       origin));
    }
    if (const auto sent = as_sent(origin); sent != origin) {
      return invalid_field("http.cors_origins",
                           fmt::format("'{}' is sent as '{}': write it so", origin, sent));
    }
  }
  return {};
}

constexpr std::string_view full =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n"
    "Connection: close\r\nContent-Length: 87\r\n\r\n"
    R"({"error":{"code":"UNAVAILABLE","status":503,"message":"too many connections are open"}})";
static_assert(full.size() - full.find("{\"error") == 87);

}  // namespace

Result<void> check(const HttpOptions& options) {
  const auto range = [](std::string_view name, std::size_t value, std::size_t min,
                        std::size_t max) -> Result<void> {
    if (value >= min && value <= max) return {};
    return invalid_field(fmt::format("http.{}", name),
                         fmt::format("{} is not from {} to {}", value, min, max));
  };
  WEIR_TRY(range("threads", options.threads, 1, 64));
  WEIR_TRY(range("connections_max", options.connections_max, 1, 1'000'000));
  WEIR_TRY(range("header_bytes_max", options.header_bytes_max, 1024, 16 << 20));
  WEIR_TRY(range("headers_max", options.headers_max, 1, 10'000));
  WEIR_TRY(range("body_bytes_max", options.body_bytes_max, 0, std::size_t{1} << 31));
  for (const auto timeout : {options.idle_timeout, options.read_timeout, options.write_timeout}) {
    if (timeout.count() <= 0) return invalid_field("http.timeout", "a timeout must be positive");
  }
  return check_origins(options);
}

class HttpServer::State : public std::enable_shared_from_this<HttpServer::State> {
 public:
  State(HttpOptions options, Handler handler)
      : context_(std::make_shared<ConnectionContext>()),
        terms_{.options = std::make_shared<const HttpOptions>(std::move(options)), .tls = nullptr} {
    context_->handler = std::move(handler);
  }

  Result<void> listen();
  Result<void> replace_tls(const security::TlsMaterial& material);
  Result<void> replace_limits(const HttpOptions& limits);
  void run();
  void stop(std::chrono::milliseconds grace);
  void join();

  const std::string& address() const { return address_; }
  std::uint16_t port() const { return port_; }
  bool has_tls() const {
    const std::lock_guard lock(mutex_);
    return terms_.options->tls.has_value();
  }
  Stats stats() const {
    const std::lock_guard lock(mutex_);
    return {connections_.size(), refused_, context_->requests};
  }

 private:
  Result<void> open(const tcp::endpoint& endpoint);
  void accept(std::size_t index);
  void welcome(tcp::socket socket);
  void closed(Connection* connection);

  const std::shared_ptr<ConnectionContext> context_;
  std::vector<tcp::acceptor> acceptors_;
  std::string address_;
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::condition_variable empty_;
  std::map<Connection*, std::weak_ptr<Connection>> connections_;
  std::uint64_t refused_ = 0;
  bool accepting_ = true;
  /// Of connections to come.
  Connection::Terms terms_;
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work_;
  std::vector<std::jthread> threads_;
};

Result<void> HttpServer::State::open(const tcp::endpoint& endpoint) {
  ErrorCode error;
  tcp::acceptor acceptor(asio::make_strand(context_->io));
  const auto failed = [&](std::string_view step) {
    return unavailable(fmt::format("can't {} {}:{}: {}", step, endpoint.address().to_string(),
                                   endpoint.port(), error.message()));
  };
  if (acceptor.open(endpoint.protocol(), error)) return failed("open");
  acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (endpoint.address().is_v6()) {
    acceptor.set_option(asio::ip::v6_only(!endpoint.address().is_unspecified()), error);
  }
  if (acceptor.bind(endpoint, error)) return failed("bind");
  if (acceptor.listen(asio::socket_base::max_listen_connections, error)) return failed("listen on");
  port_ = acceptor.local_endpoint(error).port();
  if (error) return failed("listen on");
  acceptors_.push_back(std::move(acceptor));
  return {};
}

Result<void> HttpServer::State::listen() {
  const auto& options = *terms_.options;
  WEIR_TRY(check(options));
  if (options.tls) WEIR_TRY(replace_tls(*options.tls));
  WEIR_TRY_ASSIGN(where, security::split_address(options.address, "http.address"));
  ErrorCode error;
  tcp::resolver resolver(context_->io);
  const auto found =
      resolver.resolve(where.host, std::to_string(where.port), tcp::resolver::passive, error);
  if (error) {
    return unavailable(
        fmt::format("http.address: can't resolve '{}': {}", where.host, error.message()));
  }
  // A name may stand for several addresses ("localhost" is 127.0.0.1 and ::1); each that this
  // machine has is used, all with one port.
  Result<void> last = unavailable(fmt::format("http.address: '{}' has no address", where.host));
  for (const auto& entry : found) {
    auto endpoint = entry.endpoint();
    if (!acceptors_.empty()) endpoint.port(port_);
    last = open(endpoint);
  }
  if (acceptors_.empty()) return last;
  const bool v6 = where.host.find(':') != std::string::npos;
  address_ = fmt::format("{}:{}", v6 ? fmt::format("[{}]", where.host) : where.host, port_);
  return {};
}

Result<void> HttpServer::State::replace_tls(const security::TlsMaterial& material) {
  WEIR_TRY_ASSIGN(made, make_tls_context(material));
  const std::lock_guard lock(mutex_);
  terms_.tls = std::move(made);
  return {};
}

Result<void> HttpServer::State::replace_limits(const HttpOptions& limits) {
  WEIR_TRY(check(limits));
  const std::lock_guard lock(mutex_);
  auto fresh = *terms_.options;
  fresh.connections_max = limits.connections_max;
  fresh.header_bytes_max = limits.header_bytes_max;
  fresh.headers_max = limits.headers_max;
  fresh.body_bytes_max = limits.body_bytes_max;
  fresh.idle_timeout = limits.idle_timeout;
  fresh.read_timeout = limits.read_timeout;
  fresh.write_timeout = limits.write_timeout;
  fresh.cors_origins = limits.cors_origins;
  fresh.cors_credentials = limits.cors_credentials;
  terms_.options = std::make_shared<const HttpOptions>(std::move(fresh));
  return {};
}

void HttpServer::State::run() {
  work_.emplace(context_->io.get_executor());
  for (std::size_t i = 0; i < acceptors_.size(); ++i) accept(i);
  for (std::size_t i = 0; i < terms_.options->threads; ++i) {
    threads_.emplace_back([context = context_] { context->io.run(); });
  }
}

void HttpServer::State::accept(std::size_t index) {
  acceptors_[index].async_accept(
      asio::make_strand(context_->io),
      [self = shared_from_this(), index](ErrorCode error, tcp::socket socket) {
        if (error == asio::error::operation_aborted || !self->acceptors_[index].is_open()) return;
        if (!error) self->welcome(std::move(socket));
        // Out of descriptors or memory: waiting for some to be freed is all that can be done, and
        // the listen queue waits meanwhile.
        if (error && error != asio::error::connection_aborted) {
          auto timer = std::make_shared<asio::steady_timer>(self->acceptors_[index].get_executor());
          timer->expires_after(std::chrono::milliseconds(50));
          timer->async_wait([self, index, timer](ErrorCode) {
            if (self->acceptors_[index].is_open()) self->accept(index);
          });
          return;
        }
        self->accept(index);
      });
}

void HttpServer::State::welcome(tcp::socket socket) {
  ErrorCode ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  std::shared_ptr<Connection> connection;
  {
    const std::lock_guard lock(mutex_);
    if (!accepting_) return;
    if (connections_.size() < terms_.options->connections_max) {
      connection = std::make_shared<Connection>(
          std::move(socket), context_, terms_,
          [self = shared_from_this()](Connection* which) { self->closed(which); });
      connections_.emplace(connection.get(), connection);
    } else {
      ++refused_;
    }
  }
  if (connection) return connection->start();
  // To shake hands only to say no would cost more than a connection does.
  if (has_tls()) return;
  socket.non_blocking(true, ignored);
  socket.write_some(asio::buffer(full), ignored);
}

void HttpServer::State::closed(Connection* connection) {
  const std::lock_guard lock(mutex_);
  connections_.erase(connection);
  if (connections_.empty()) empty_.notify_all();
}

void HttpServer::State::stop(std::chrono::milliseconds grace) {
  context_->stopping = true;
  for (auto& acceptor : acceptors_) {
    asio::dispatch(acceptor.get_executor(), [self = shared_from_this(), &acceptor] {
      ErrorCode ignored;
      acceptor.close(ignored);
    });
  }
  const auto tell = [this](void (Connection::*what)()) {
    std::vector<std::shared_ptr<Connection>> open;
    {
      const std::lock_guard lock(mutex_);
      accepting_ = false;
      for (auto& [key, weak] : connections_) {
        if (auto connection = weak.lock()) open.push_back(std::move(connection));
      }
    }
    for (auto& connection : open) ((*connection).*what)();
  };
  const auto is_empty = [this] { return connections_.empty(); };
  tell(&Connection::stop);
  {
    std::unique_lock lock(mutex_);
    empty_.wait_for(lock, grace, is_empty);
  }
  tell(&Connection::close);
  std::unique_lock lock(mutex_);
  empty_.wait(lock, is_empty);
}

void HttpServer::State::join() {
  work_.reset();
  threads_.clear();
  {
    // These threads are gone, so only others can be at it, and they only post.
    const std::unique_lock lock(context_->handing_over);
    context_->stopped = true;
  }
  // Whatever an exchange handed over in the last moment.
  context_->io.restart();
  context_->io.poll();
}

HttpServer::HttpServer(std::shared_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<HttpServer>> HttpServer::create(HttpOptions options, Handler handler) {
  auto state = std::make_shared<State>(std::move(options), std::move(handler));
  WEIR_TRY(state->listen());
  state->run();
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(state)));
}

HttpServer::~HttpServer() {
  state_->stop(std::chrono::milliseconds(0));
  state_->join();
}

const std::string& HttpServer::address() const {
  return state_->address();
}
std::uint16_t HttpServer::port() const {
  return state_->port();
}
HttpServer::Stats HttpServer::stats() const {
  return state_->stats();
}
Result<void> HttpServer::replace_tls(const security::TlsMaterial& material) {
  WEIR_ASSERT(state_->has_tls());
  return state_->replace_tls(material);
}
Result<void> HttpServer::replace_limits(const HttpOptions& limits) {
  return state_->replace_limits(limits);
}
void HttpServer::stop(std::chrono::milliseconds grace) {
  state_->stop(grace);
}

}  // namespace weir::gateway
