#include <weir/gateway/connection_exchange.hpp>

#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>

#include <weir/gateway/errors.hpp>

namespace weir::gateway {

ConnectionExchange::ConnectionExchange(std::shared_ptr<Connection> connection, std::uint64_t number)
    : connection_(std::move(connection)), number_(number) {}

template <class Call>
void ConnectionExchange::on_strand(Call call) {
  const std::shared_lock lock(connection_->context_->handing_over);
  if (connection_->context_->stopped) return;
  boost::asio::dispatch(
      connection_->socket_.get_executor(),
      [connection = connection_, number = number_, call = std::move(call)]() mutable {
        if (connection->exchange_number_ == number) call(*connection);
      });
}

ConnectionExchange::~ConnectionExchange() {
  const std::shared_lock lock(connection_->context_->handing_over);
  if (connection_->context_->stopped) return;
  // Posted even on the strand: an answer from another thread may wait there, and comes first.
  boost::asio::post(
      connection_->socket_.get_executor(), [connection = connection_, number = number_] {
        if (connection->exchange_number_ != number || connection->answered_) return;
        connection->fail(error_response(internal_bug("the request was left without an answer")),
                         std::nullopt);
      });
}

void ConnectionExchange::matched(std::string_view route) {
  on_strand([route = std::string(route)](Connection& connection) { connection.matched(route); });
}

void ConnectionExchange::respond(HttpResponse response) {
  on_strand([response = std::move(response)](Connection& connection) mutable {
    if (connection.phase_ == Connection::Phase::handling && !connection.answered_) {
      connection.respond(std::move(response));
    }
  });
}

void ConnectionExchange::begin(StreamHead head, std::optional<std::chrono::milliseconds> delay) {
  on_strand([head = std::move(head), delay](Connection& connection) mutable {
    connection.begin(std::move(head), delay);
  });
}

void ConnectionExchange::write(std::string bytes, UniqueFunction<void()> written) {
  on_strand([bytes = std::move(bytes), written = std::move(written)](Connection& c) mutable {
    c.write_stream(std::move(bytes), std::move(written));
  });
}

void ConnectionExchange::end() {
  on_strand([](Connection& connection) { connection.end_stream(); });
}

void ConnectionExchange::fail(HttpResponse response, std::optional<std::string> last) {
  on_strand([response = std::move(response), last = std::move(last)](Connection& c) mutable {
    c.fail(std::move(response), std::move(last));
  });
}

void ConnectionExchange::on_ending(UniqueFunction<void(Ending)> callback) {
  on_strand([callback = std::move(callback)](Connection& connection) mutable {
    connection.on_ending_ = std::move(callback);
    if (connection.context_->stopping) connection.tell_ending(Ending::stopping);
  });
}

}  // namespace weir::gateway
