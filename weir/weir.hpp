#pragma once

// Everything that an application needs to append and read.

#include <weir/base/result.hpp>
#include <weir/open.hpp>
#include <weir/store/event.hpp>
#include <weir/store/event_store.hpp>
#include <weir/store/query.hpp>
#include <weir/store/requests.hpp>
