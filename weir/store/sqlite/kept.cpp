#include <weir/store/sqlite/kept.hpp>

#include <cstring>

namespace weir::sqlite {

void KeptOf::put_read(Position position, std::string_view message) {
  const std::size_t length = message.size();
  auto bytes = std::make_shared_for_overwrite<char[]>(sizeof length + length);
  std::memcpy(bytes.get(), &length, sizeof length);
  std::memcpy(bytes.get() + sizeof length, message.data(), length);
  kept_->read.put({log_, position.value}, std::move(bytes), sizeof length + length);
}

void KeptOf::find(std::span<const Position> positions, std::span<std::string_view> messages,
                  std::span<std::shared_ptr<const void>> held) const {
  kept_->newest.find(log_, positions, messages, held);
  for (std::size_t i = 0; i < positions.size(); ++i) {
    if (!messages[i].empty()) continue;
    auto found = kept_->read.find({log_, positions[i].value});
    if (!found) continue;
    std::size_t length = 0;
    std::memcpy(&length, found.get(), sizeof length);
    messages[i] = {found.get() + sizeof length, length};
    held[i] = std::move(found);
  }
}

}  // namespace weir::sqlite
