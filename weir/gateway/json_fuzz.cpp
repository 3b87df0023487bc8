#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include <google/protobuf/util/message_differencer.h>

#include <weir/gateway/testing/shelf.pb.h>
#include <weir/base/json.hpp>
#include <weir/gateway/json_reader.hpp>
#include <weir/gateway/json_writer.hpp>

/// What was read must be writable as JSON that reads back as the same message.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using weir::gateway::testing::Book;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Book from_query;
  static_cast<void>(weir::gateway::read_query(text, {}, from_query));

  Book book;
  if (!weir::gateway::read_json(text, book)) return 0;
  std::string written;
  weir::gateway::write_json(book, written);
  Book again;
  if (!weir::check_json(written, weir::gateway::body_depth_max) ||
      !weir::gateway::read_json(written, again))
    std::abort();
  google::protobuf::util::MessageDifferencer differencer;
  differencer.set_message_field_comparison(google::protobuf::util::MessageDifferencer::EQUIVALENT);
  google::protobuf::util::DefaultFieldComparator numbers;
  numbers.set_treat_nan_as_equal(true);
  differencer.set_field_comparator(&numbers);
  if (!differencer.Compare(book, again)) std::abort();
  return 0;
}
