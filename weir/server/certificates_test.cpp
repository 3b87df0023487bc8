#include <gtest/gtest.h>

#include <weir/gateway/testing/tls_client.hpp>
#include <weir/rpc/start.hpp>
#include <weir/server/no_descriptors_for_tests.hpp>
#include <weir/server/service.hpp>
#include <weir/store/testing/memory_store.hpp>

#include <tests/support/certificates.hpp>

namespace weir::server {
namespace {

using gateway::testing::TlsClient;
using testing_support::Issued;

class Renewal : public ::testing::Test {
 protected:
  Renewal() {
    rpc::start_grpc();
    ServiceOptions options;
    options.grpc.grpc_address = options.http.address = "127.0.0.1:0";
    options.grpc.tls = options.http.tls = material(authority_.issue({.name = "first"}));
    auto started = Service::start(std::make_shared<testing::MemoryCatalog>(), options);
    EXPECT_TRUE(started) << started.error().message;
    service_ = std::move(*started);
  }
  static security::TlsMaterial material(const Issued& issued) {
    return {
        .certificate = issued.certificate, .key = issued.key, .client_ca = {}, .expires_at = {}};
  }
  /// The name that HTTP shows.
  std::string shown() const {
    const auto address = service_->http_address();
    const auto port = std::stoi(address.substr(address.rfind(':') + 1));
    return TlsClient(static_cast<std::uint16_t>(port), {.ca = authority_.certificate()})
        .server_name();
  }

  testing_support::Authority authority_;
  std::unique_ptr<Service> service_;
};

TEST_F(Renewal, of_what_both_listeners_show_is_shown) {
  EXPECT_EQ(shown(), "first");
  ASSERT_TRUE(service_->replace_tls(material(authority_.issue({.name = "second"}))));
  EXPECT_EQ(shown(), "second");
}

// HTTP had the new one and gRPC the old, and nothing was said to have changed.
TEST_F(Renewal, that_grpc_has_no_file_descriptor_for_changes_nothing) {
  const auto second = material(authority_.issue({.name = "second"}));
  {
    const NoDescriptors none;
    const auto replaced = service_->replace_tls(second);
    ASSERT_FALSE(replaced);
    EXPECT_EQ(replaced.error().code, Code::unavailable);
  }
  EXPECT_EQ(shown(), "first");
  ASSERT_TRUE(service_->replace_tls(second));
  EXPECT_EQ(shown(), "second");
}

}  // namespace
}  // namespace weir::server
