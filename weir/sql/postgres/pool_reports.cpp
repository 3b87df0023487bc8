#include <weir/sql/postgres/pool_reports.hpp>

#include <weir/telemetry/api/metric_list.hpp>

namespace weir::postgres {

namespace metric = telemetry::metric;

PoolReports::PoolReports(const telemetry::Telemetry& telemetry, const std::string& pool)
    : create_time_(
          telemetry.meter->histogram(metric::db_client_connection_create_time).bind({pool})),
      wait_time_(telemetry.meter->histogram(metric::db_client_connection_wait_time).bind({pool})),
      use_time_(telemetry.meter->histogram(metric::db_client_connection_use_time).bind({pool})),
      timeouts_(telemetry.meter->counter(metric::db_client_connection_timeouts).bind({pool})) {}

void PoolReports::take(const PoolEvent& event) const {
  switch (event.kind) {
    case PoolEvent::Kind::connected:
      return create_time_.record(event.took);
    case PoolEvent::Kind::borrowed:
      return wait_time_.record(event.took);
    case PoolEvent::Kind::returned:
      return use_time_.record(event.took);
    case PoolEvent::Kind::timed_out:
      return timeouts_.add();
    case PoolEvent::Kind::connecting:
    case PoolEvent::Kind::failed:
    case PoolEvent::Kind::closed:
    case PoolEvent::Kind::leaked:
      return;
  }
}

}  // namespace weir::postgres
