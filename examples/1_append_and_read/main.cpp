// Appends a decision under a condition, and reads it back. Embedded by default; give another
// address to work on PostgreSQL or a server: the line that opens the store is all that differs.
//
//   1_append_and_read                          sqlite:library.db
//   1_append_and_read weir://127.0.0.1:50051   a server started with `weir serve`
#include <cstdio>
#include <string>

#include <weir/weir.hpp>

int main(int argc, char** argv) {
  auto store = weir::open(argc > 1 ? argv[1] : "sqlite:library.db");
  if (!store) return weir::fail(store.error());

  // What the decision depends on, and what is known about it now.
  auto about_dune = weir::Query{}.tagged("book:dune");
  auto known = (*store)->read({.query = about_dune}).collect();
  if (!known) return weir::fail(known.error());

  bool lent = false;
  for (const auto& event : known->events) {
    std::printf("%llu %s %s\n", static_cast<unsigned long long>(event.position.value),
                event.type.c_str(), event.data.c_str());
    lent = event.type == "BookCopyLent";
  }

  // Append only if nothing about the book has been appended since.
  auto appended = (*store)->append({
      .events = {weir::event(lent ? "BookCopyReturned" : "BookCopyLent")
                     .json({{"reader", "ada"}})
                     .tagged("book:dune", "reader:ada")},
      .condition = known->nothing_new(),
  });
  // aborted: somebody was faster; read and decide again.
  if (!appended) return weir::fail(appended.error());

  std::printf("appended at %llu\n", static_cast<unsigned long long>(appended->last.value));
}
