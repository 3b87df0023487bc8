#pragma once

#include <gtest/gtest.h>

#include <weir/server/server.hpp>
#include <weir/store/remote/client.hpp>

#include <tests/support/owning_catalog.hpp>

namespace weir::server {

/// What a client sees of a catalog that a server on a free port serves. Keeps the place (a folder,
/// a database) in which that lies.
template <class Place, class Store>
std::shared_ptr<Catalog> served(std::unique_ptr<Place> place,
                                const Result<std::shared_ptr<Store>>& catalog) {
  struct Served {
    std::unique_ptr<Place> place;
    std::unique_ptr<Server> server;
  };
  EXPECT_TRUE(catalog) << to_string(catalog.error());
  auto server = Server::start(*catalog, {.grpc_address = "127.0.0.1:0"});
  EXPECT_TRUE(server) << to_string(server.error());
  auto client = remote::connect({.target = (*server)->grpc_address()});
  EXPECT_TRUE(client) << to_string(client.error());
  auto kept = std::make_unique<Served>();
  kept->place = std::move(place);
  kept->server = std::move(*server);
  return std::make_shared<testing_support::OwningCatalog<Served>>(std::move(kept), *client);
}

}  // namespace weir::server
