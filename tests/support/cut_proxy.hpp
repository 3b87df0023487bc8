#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace weir::testing_support {

/// Stands between a client and a server on TCP: cuts all connections after so many bytes, refuses
/// new ones, holds packets up, or lets nothing through.
/// Threads: any.
class CutProxy {
 public:
  enum class Way { to_server, to_client };

  /// Listens on a free port of 127.0.0.1 for connections to host:port.
  CutProxy(std::string host, int port);
  ~CutProxy();
  CutProxy(const CutProxy&) = delete;
  CutProxy& operator=(const CutProxy&) = delete;

  int port() const { return port_; }
  /// Bytes forwarded so far on all connections together.
  std::uint64_t forwarded(Way way) const { return count(way).load(); }
  /// Once so many more bytes have gone this way, every connection is closed on both sides, without
  /// another byte in either. Connections made later are not touched.
  void cut_after(Way way, std::uint64_t bytes);
  void cut_now();
  /// Takes back a cut that has not come about.
  void calm();

  /// What the way of each packet is like. A packet is what is read at once.
  struct Delay {
    std::chrono::milliseconds each{0};
    /// Share of packets that are lost, and come when they are sent again.
    double lost = 0;
    std::chrono::milliseconds resent_after{0};
  };
  /// Connections made before change too.
  void delay(Delay delay);
  /// While it swallows, nothing gets through, though connections stand.
  void swallow(bool swallow) { swallowing_ = swallow; }
  /// From now on nothing that is sent here by way of connections is so much as acknowledged, as if
  /// the host had lost its power.
  void become_black_hole() { black_hole_ = swallowing_ = true; }
  /// While refusing, new connections are closed at once.
  void refuse(bool refuse) { refusing_ = refuse; }
  /// How often connections have been cut.
  int cuts() const { return cuts_; }

 private:
  void accept_all();
  void serve(int client);
  bool forward(int from, int to, Way way);
  std::chrono::milliseconds time_of_next();
  std::atomic<std::uint64_t>& count(Way way) {
    return way == Way::to_server ? to_server_ : to_client_;
  }
  const std::atomic<std::uint64_t>& count(Way way) const {
    return way == Way::to_server ? to_server_ : to_client_;
  }

  const std::string host_;
  const int server_port_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> refusing_ = false;
  std::atomic<bool> swallowing_ = false;
  std::atomic<bool> black_hole_ = false;
  std::atomic<int> cuts_ = 0;
  std::atomic<std::uint64_t> to_server_ = 0;
  std::atomic<std::uint64_t> to_client_ = 0;
  std::mutex mutex_;
  Delay delay_;
  std::minstd_rand chance_;
  bool armed_ = false;
  Way way_ = Way::to_server;
  std::uint64_t cut_at_ = 0;
  std::atomic<int> generation_ = 0;
  std::vector<std::thread> connections_;
  std::thread acceptor_;
};

/// A socket that listens on a free port of 127.0.0.1 and never answers; stays open until the
/// program ends.
int silent_listener();
int port_of(int listener);

}  // namespace weir::testing_support
