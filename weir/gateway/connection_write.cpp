#include <algorithm>
#include <array>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <boost/asio/write.hpp>
#include <boost/beast/core/string.hpp>

#include <weir/gateway/connection.hpp>

namespace weir::gateway {

namespace asio = boost::asio;

namespace {

constexpr std::chrono::milliseconds half_closed_patience{250};
constexpr std::size_t write_bytes_max = 64 * 1024;

bool has(const std::vector<Header>& headers, std::string_view name) {
  return std::any_of(headers.begin(), headers.end(),
                     [&](const auto& header) { return boost::beast::iequals(header.name, name); });
}

/// What keeps a browser from making more of an answer than it is: guessing its type, framing it,
/// running it, keeping a copy. A page of our own says what it needs itself.
void append_protection(std::string& out, const std::vector<Header>& headers, bool tls) {
  out +=
      "X-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\n"
      "Referrer-Policy: no-referrer\r\n";
  if (!has(headers, "Content-Security-Policy")) {
    out += "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n";
  }
  if (!has(headers, "Cache-Control")) out += "Cache-Control: no-store\r\n";
  if (tls) out += "Strict-Transport-Security: max-age=31536000\r\n";
}

}  // namespace

std::string Connection::head_of(int status, const std::vector<Header>& headers,
                                std::string_view framing) {
  const auto now = std::chrono::floor<std::chrono::seconds>(options_->clock->now());
  auto out =
      fmt::format("HTTP/1.1 {} {}\r\nDate: {:%a, %d %b %Y %H:%M:%S} GMT\r\n{}", status,
                  reason_phrase(status), fmt::gmtime(now.time_since_epoch().count()), framing);
  for (const auto& header : headers) out += fmt::format("{}: {}\r\n", header.name, header.value);
  if (!origin_.empty()) {
    out += fmt::format(
        "Access-Control-Allow-Origin: {}\r\nVary: Origin\r\nAccess-Control-Expose-Headers: "
        "grpc-status, grpc-message, grpc-status-details-bin, Retry-After, WWW-Authenticate\r\n",
        origin_);
    if (options_->cors_credentials) out += "Access-Control-Allow-Credentials: true\r\n";
  }
  append_protection(out, headers, socket_.has_tls());
  if (context_->stopping) keep_alive_ = false;
  if (!keep_alive_) {
    out += "Connection: close\r\n";
  } else if (http_1_0_) {
    out += "Connection: keep-alive\r\n";
  }
  return out + "\r\n";
}

void Connection::respond(HttpResponse response) {
  answered_ = true;
  head_timer_.cancel();
  filler_timer_.cancel();
  const bool bodiless = response.status == 204 || response.status == 304;
  const auto framing =
      bodiless ? std::string() : fmt::format("Content-Length: {}\r\n", response.body.size());
  Output whole;
  whole.head = head_of(response.status, response.headers, framing);
  if (!head_only_ && !bodiless) whole.body = std::move(response.body);
  whole.then = [self = shared_from_this(), status = response.status] {
    self->summarize(status);
    self->finish_exchange();
  };
  output(std::move(whole));
}

void Connection::begin(StreamHead head, std::optional<std::chrono::milliseconds> delay) {
  if (phase_ != Phase::handling || answered_) return;
  head_ = std::move(head);
  if (!delay) return;
  if (delay->count() == 0) return send_stream_head();
  head_timer_.expires_after(*delay);
  head_timer_.async_wait([self = shared_from_this(), number = exchange_number_](ErrorCode error) {
    const bool unanswered = self->phase_ == Phase::handling && !self->answered_;
    if (!error && unanswered && self->exchange_number_ == number) self->send_stream_head();
  });
}

void Connection::send_stream_head() {
  phase_ = Phase::streaming;
  // An HTTP/1.0 client knows no chunks: the end of the connection is the end of the stream.
  if (http_1_0_) keep_alive_ = false;
  Output start;
  start.head =
      head_of(head_->status, head_->headers, http_1_0_ ? "" : "Transfer-Encoding: chunked\r\n");
  if (head_only_) {
    answered_ = true;
    start.then = [self = shared_from_this()] {
      self->tell_ending(Ending::client_gone);
      self->summarize(self->head_->status);
      self->finish_exchange();
    };
  }
  output(std::move(start));
  arm_filler_timer();
}

void Connection::write_stream(std::string bytes, UniqueFunction<void()> written) {
  if (answered_ || !head_) return;
  if (phase_ == Phase::handling) send_stream_head();
  if (answered_) return;
  output_chunk(std::move(bytes), std::move(written));
}

void Connection::output_chunk(std::string bytes, UniqueFunction<void()> written) {
  // A chunk of no bytes would end the stream.
  if (bytes.empty()) {
    if (written) written();
    return;
  }
  Output chunk;
  if (!http_1_0_) {
    chunk.head = fmt::format("{:x}\r\n", bytes.size());
    chunk.tail = "\r\n";
  }
  chunk.body = std::move(bytes);
  chunk.then = std::move(written);
  output(std::move(chunk));
}

void Connection::end_stream() {
  if (answered_ || !head_) return;
  if (phase_ == Phase::handling) send_stream_head();
  if (answered_) return;
  answered_ = true;
  Output last;
  if (!http_1_0_) last.head = "0\r\n\r\n";
  last.then = [self = shared_from_this()] {
    self->summarize(self->head_->status);
    self->finish_exchange();
  };
  output(std::move(last));
}

void Connection::fail(HttpResponse response, std::optional<std::string> last) {
  if (answered_) return;
  if (phase_ == Phase::handling) return respond(std::move(response));
  if (!last) {
    // What was written before still goes out; the chunk that would end the stream doesn't.
    answered_ = true;
    keep_alive_ = false;
    Output cut;
    cut.then = [self = shared_from_this()] { self->client_gone(); };
    return output(std::move(cut));
  }
  output_chunk(std::move(*last), nullptr);
  end_stream();
}

void Connection::output(Output output) {
  outputs_.push_back(std::move(output));
  if (outputs_.size() == 1) write_next();
}

void Connection::write_next() {
  arm_write_timer();
  auto& next = outputs_.front();
  const std::array<asio::const_buffer, 3> buffers = {
      asio::buffer(next.head), asio::buffer(next.body), asio::buffer(next.tail)};
  auto self = shared_from_this();
  const auto on_progress = [self, before = std::size_t{0}](ErrorCode error,
                                                           std::size_t bytes) mutable {
    if (bytes > before) self->arm_write_timer();
    before = bytes;
    return error ? std::size_t{0} : write_bytes_max;
  };
  asio::async_write(socket_, buffers, on_progress, [self](ErrorCode error, std::size_t bytes) {
    self->summary_.response_bytes += bytes;
    if (error) self->client_gone();
    if (self->phase_ == Phase::closed) {
      // What waits to be called may hold this connection.
      return self->outputs_.clear();
    }
    self->write_timer_.cancel();
    auto then = std::move(self->outputs_.front().then);
    self->outputs_.pop_front();
    if (!self->outputs_.empty()) {
      self->write_next();
    } else if (self->phase_ == Phase::streaming) {
      self->arm_filler_timer();
    }
    if (then) then();
  });
}

void Connection::arm_write_timer() {
  write_timer_.expires_after(options_->write_timeout);
  write_timer_.async_wait([self = shared_from_this()](ErrorCode error) {
    if (error || self->outputs_.empty() || !self->timer_is_due(self->write_timer_)) return;
    self->client_gone();
  });
}

void Connection::arm_filler_timer() {
  if (half_closed_) {
    filler_timer_.expires_after(half_closed_patience);
  } else if (head_ && head_->filler_every) {
    filler_timer_.expires_after(*head_->filler_every);
  } else {
    return;
  }
  filler_timer_.async_wait([self = shared_from_this(), number = exchange_number_](ErrorCode error) {
    if (!error && self->exchange_number_ == number) self->send_filler();
  });
}

void Connection::send_filler() {
  if (answered_ || !outputs_.empty()) return;
  if (phase_ == Phase::streaming) {
    if (head_->filler.empty()) return client_gone();
    output_chunk(head_->filler, nullptr);
  } else if (phase_ == Phase::handling && !http_1_0_) {
    // An interim response means nothing to a client that waits; one that is gone resets.
    Output interim;
    interim.head = "HTTP/1.1 102 Processing\r\n\r\n";
    output(std::move(interim));
  }
}

void Connection::on_half_closed() {
  // The client sends no more. It may still read, or be gone altogether: only writing tells.
  half_closed_ = true;
  socket_.tcp().async_wait(asio::ip::tcp::socket::wait_error,
                           [self = shared_from_this(), number = exchange_number_](ErrorCode error) {
                             if (error || self->phase_ == Phase::closed) return;
                             if (self->exchange_number_ == number) self->client_gone();
                           });
  arm_filler_timer();
}

void Connection::finish_exchange() {
  if (phase_ == Phase::closed) return;
  ++exchange_number_;
  on_ending_ = nullptr;
  head_.reset();
  head_timer_.cancel();
  filler_timer_.cancel();
  if (keep_alive_ && !context_->stopping) {
    rest();
  } else {
    linger();
  }
}

void Connection::tell_ending(Ending ending) {
  if (!on_ending_) return;
  const auto number = exchange_number_;
  // The callback may answer, which lets go of the callback itself.
  auto callback = std::move(on_ending_);
  callback(ending);
  if (exchange_number_ == number && phase_ != Phase::closed) on_ending_ = std::move(callback);
}

void Connection::client_gone() {
  if (phase_ == Phase::closed) return;
  if (phase_ == Phase::handling || phase_ == Phase::streaming) {
    tell_ending(Ending::client_gone);
    summarize(499);
  }
  close_now();
}

void Connection::summarize(int status) {
  summary_.span = span_.span_context();
  if (span_.is_recording()) {
    span_.set_attribute("http.response.status_code", std::int64_t{status});
    if (status >= 500) {
      span_.set_attribute("error.type", std::to_string(status));
      span_.set_status(telemetry::StatusCode::error);
    }
  }
  span_.end();
  if (!options_->on_response) return;
  summary_.scheme = scheme();
  summary_.status = status;
  summary_.duration = options_->clock->instant() - request_read_;
  options_->on_response(summary_);
}

}  // namespace weir::gateway
