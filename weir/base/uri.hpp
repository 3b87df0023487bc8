#pragma once

#include <string>
#include <string_view>

namespace weir {

/// An address without the password that may be in it, for people: "postgres://user:***@host/name".
/// Of one that is written wrongly it rather takes too much out than too little.
std::string without_password(std::string_view uri);

}  // namespace weir
