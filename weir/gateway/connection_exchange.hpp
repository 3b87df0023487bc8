#pragma once

#include <memory>

#include <weir/gateway/connection.hpp>

namespace weir::gateway {

/// An Exchange of a connection: brings calls from any thread to the connection's strand.
/// Threads: any.
class ConnectionExchange final : public Exchange {
 public:
  ConnectionExchange(std::shared_ptr<Connection> connection, std::uint64_t number);
  ~ConnectionExchange() override;

  void matched(std::string_view route) override;
  void respond(HttpResponse response) override;
  void begin(StreamHead head, std::optional<std::chrono::milliseconds> delay) override;
  void write(std::string bytes, UniqueFunction<void()> written) override;
  void end() override;
  void fail(HttpResponse response, std::optional<std::string> last) override;
  void on_ending(UniqueFunction<void(Ending)> callback) override;

 private:
  template <class Call>
  void on_strand(Call call);

  const std::shared_ptr<Connection> connection_;
  const std::uint64_t number_;
};

}  // namespace weir::gateway
