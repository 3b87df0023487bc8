#pragma once

#include <chrono>
#include <memory>
#include <string>

#include <weir/base/result.hpp>
#include <weir/server/admission.hpp>
#include <weir/server/health.hpp>
#include <weir/server/reporting.hpp>
#include <weir/store/event_store.hpp>
#include <weir/store/resilient/shield.hpp>

namespace weir::server {

struct ServiceOptions {
  /// HOST:PORT; port 0 for any free one.
  std::string grpc_address = "127.0.0.1:50051";
  std::string http_address = "127.0.0.1:8080";
  /// What is measured and traced, and /metrics. Default: nothing.
  std::shared_ptr<Reporting> reporting = nullptr;
  /// What stands between the catalog and its database, to be reported of. Default: nothing does.
  std::shared_ptr<resilient::Shield> shield = nullptr;
  /// How many calls are taken in, by gRPC and by HTTP.
  AdmissionOptions admission = {};
  /// Whose HTTP requests are counted by X-Forwarded-For: see HttpOptions. Default false.
  bool trust_forwarded = false;
  HealthOptions health = {};
};

/// Everything that `weir serve` serves over the logs of a catalog: gRPC, and HTTP by the gateway
/// with health and the DCB benchmark's routes beside it.
/// Threads: any.
class Service {
 public:
  /// Listens on both addresses when it returns.
  static Result<std::unique_ptr<Service>> start(std::shared_ptr<Catalog> catalog,
                                                const ServiceOptions& options);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  std::string grpc_address() const;
  std::string http_address() const;

  /// Stops accepting, finishes what was accepted, ends streams with a status; what is left after
  /// `grace` is cancelled. Once.
  void shut_down(std::chrono::milliseconds grace);

 private:
  struct Parts;
  explicit Service(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace weir::server
