#pragma once

#include <gtest/gtest.h>

#include <vector>

#include <weir/rpc/server_call.hpp>

namespace weir::server {

/// A call that a test plays gRPC for: it keeps what is done to it, and takes nothing once it was
/// finished. On the heap: it goes in over(). Threads: one.
template <class Base>
class FakeCall : public Base {
 public:
  FakeCall() : Base(rpc::client_poller()) {}

  void send_initial_metadata() override {
    EXPECT_TRUE(ends.empty()) << "gRPC aborts over it";
    ++opened;
  }
  void finish(const grpc::Status& status) override { ends.push_back(status); }

  /// Nothing of it is left: its reactor is told, and it goes.
  void over() {
    this->end();
    this->end();
  }

  int opened = 0;
  int written = 0;
  std::vector<grpc::Status> ends;
};

/// Answers with a stream.
template <class Response>
class FakeWriter final : public FakeCall<rpc::ServerWriter<Response>> {
 public:
  void write(const Response&) override {
    EXPECT_TRUE(this->ends.empty()) << "gRPC aborts over it";
    ++this->written;
  }
};

/// Streams both ways.
template <class Request, class Response>
class FakeReaderWriter final : public FakeCall<rpc::ServerReaderWriter<Request, Response>> {
 public:
  void write(const Response&) override {
    EXPECT_TRUE(this->ends.empty()) << "gRPC aborts over it";
    ++this->written;
  }
  void read(Request& request) override {
    this->begin();
    to_ = &request;
  }
  /// What the client says; it must have been asked.
  void receive(const Request& request) {
    *std::exchange(to_, nullptr) = request;
    this->read_done(true);
  }

 private:
  Request* to_ = nullptr;
};

}  // namespace weir::server
