#pragma once

#include <memory>
#include <string>

#include <weir/base/result.hpp>
#include <weir/store/event_store.hpp>
#include <weir/telemetry/api/telemetry.hpp>

namespace weir {

struct OpenOptions {
  /// Name of the log. Default "default".
  std::string log = "default";
  /// Make an embedded store that is not there. Default true.
  bool create = true;
  /// Callbacks of appends never block nor drop the store, so that they may run on the thread that
  /// writes: less work an append. Default false.
  bool callbacks_on_writer = false;
  /// Told what an embedded store does; must outlive it. Default: nobody.
  StoreObserver* observer = nullptr;
  /// Of PostgreSQL's statements; must outlive the store. Default: nobody is told.
  telemetry::Telemetry telemetry = {};
  /// Put the statements' texts into their spans. Default: no.
  bool statement_text = false;
};

/// The logs at "sqlite:PATH" (embedded), "postgres://..." (embedded, over a PostgreSQL), or
/// "weir://HOST:PORT" (a server).
/// Errors: invalid_argument (what is not such an address), and those of opening it.
Result<std::shared_ptr<Catalog>> open_catalog(const std::string& uri, OpenOptions options = {});

/// One log there.
Result<std::shared_ptr<EventStore>> open(const std::string& uri, OpenOptions options = {});

/// The same, to read only: an append does not compile.
Result<std::shared_ptr<EventReader>> open_reader(const std::string& uri, OpenOptions options = {});

/// Prints the error to standard error, for the end of a main(): returns 1.
int fail(const Error& error);

}  // namespace weir
