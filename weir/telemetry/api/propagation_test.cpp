#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include <weir/base/printable.hpp>
#include <weir/telemetry/api/propagation.hpp>

namespace weir::telemetry {
namespace {

constexpr std::string_view example = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

class Headers final : public TextMapCarrier {
 public:
  Headers(std::map<std::string, std::string, std::less<>> all = {}) : all_(std::move(all)) {}
  std::string_view get(std::string_view name) const override {
    const auto found = all_.find(name);
    return found == all_.end() ? std::string_view() : found->second;
  }
  void set(std::string_view name, std::string_view value) override {
    all_[std::string(name)] = value;
  }

 private:
  std::map<std::string, std::string, std::less<>> all_;
};

TEST(Traceparent, is_read_and_written_as_the_recommendation_has_it) {
  const auto context = parse_traceparent(example);
  ASSERT_TRUE(context);
  EXPECT_EQ(to_string(context->trace_id), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(to_string(context->span_id), "b7ad6b7169203331");
  EXPECT_TRUE(context->sampled);
  EXPECT_TRUE(context->remote);
  EXPECT_EQ(format_traceparent(*context), example);
}

TEST(Traceparent, of_a_later_version_is_read_as_far_as_it_is_known) {
  std::string later(example);
  later[1] = '1';
  EXPECT_TRUE(parse_traceparent(later));
  EXPECT_TRUE(parse_traceparent(later + "-more"));
  EXPECT_FALSE(parse_traceparent(later + "more"));
}

TEST(Traceparent, that_is_malformed_is_none) {
  for (const std::string_view bad :
       {"", "00", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0x",
        "0g-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}) {
    EXPECT_FALSE(parse_traceparent(bad)) << bad;
  }
}

TEST(Tracestate, is_checked_against_the_recommendation) {
  EXPECT_TRUE(is_tracestate("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"));
  EXPECT_TRUE(is_tracestate("fw529a3039@dt=FfxxX , a=b"));
  EXPECT_FALSE(is_tracestate("a=1,a=2"));
  EXPECT_FALSE(is_tracestate("A=1"));
  EXPECT_FALSE(is_tracestate("a"));
  EXPECT_FALSE(is_tracestate("a=b=c"));
  std::string many;
  for (int i = 0; i < 33; ++i) many += "k" + std::to_string(i) + "=1,";
  EXPECT_FALSE(is_tracestate(many));
}

TEST(Baggage, is_decoded_and_encoded_again) {
  const auto baggage = parse_baggage("user=J%C3%BCrgen, tier = gold;ttl=5 ,empty=");
  ASSERT_EQ(baggage.size(), 3);
  EXPECT_EQ(baggage[0], (BaggageMember{"user", "Jürgen", ""}));
  EXPECT_EQ(baggage[1], (BaggageMember{"tier", "gold", "ttl=5"}));
  EXPECT_EQ(baggage[2], (BaggageMember{"empty", "", ""}));
  EXPECT_EQ(format_baggage(baggage), "user=J%C3%BCrgen,tier=gold;ttl=5,empty=");
  EXPECT_EQ(parse_baggage(format_baggage({{"k", "a b,c;d%\"\\", ""}}))[0].value, "a b,c;d%\"\\");
}

TEST(Baggage, is_bounded_in_members_and_bytes) {
  std::string many;
  for (int i = 0; i < 100; ++i) many += "k" + std::to_string(i) + "=v,";
  EXPECT_EQ(parse_baggage(many).size(), 64);
  EXPECT_EQ(parse_baggage("a=1,b=" + std::string(9000, 'x')).size(), 1);
  EXPECT_LE(
      format_baggage({{"a", std::string(5000, 'x'), ""}, {"b", std::string(5000, 'x'), ""}}).size(),
      8192);
  EXPECT_TRUE(parse_baggage("not a token=1,=2").empty());
}

TEST(Baggage, has_properties_of_printable_ascii_only) {
  for (int byte = 0; byte < 0x100; ++byte) {
    const auto c = static_cast<char>(byte);
    if (c == ',' || c == '\t') continue;
    const bool printable = byte >= 0x20 && byte < 0x7F;
    const auto baggage = parse_baggage(std::string("a=b;p") + c + "q,kept=1");
    EXPECT_EQ(baggage.size(), printable ? 2u : 1u) << byte;
    EXPECT_EQ(baggage.back().key, "kept") << byte;
    EXPECT_EQ(format_baggage({{"a", "b", std::string("p") + c}}).empty(), !printable) << byte;
  }
  EXPECT_EQ(format_baggage(parse_baggage("a=b;p\t=\tq")), "a=b;p = q");
}

TEST(Propagator, carries_a_whole_context_from_one_process_to_another) {
  Headers there({{"traceparent", std::string(example)},
                 {"tracestate", "rojo=1"},
                 {"baggage", "tenant=acme"},
                 {"correlation-id", "order-7"},
                 {"causation-id", "event-3"}});
  const auto context = w3c_propagator().extract(there);
  EXPECT_EQ(context.correlation_id(), "order-7");
  EXPECT_EQ(context.causation_id(), "event-3");
  Headers on;
  w3c_propagator().inject(context, on);
  for (const auto* name :
       {"traceparent", "tracestate", "baggage", "correlation-id", "causation-id"}) {
    EXPECT_EQ(on.get(name), there.get(name)) << name;
  }
}

TEST(Propagator, leaves_out_what_is_malformed) {
  const auto context = w3c_propagator().extract(Headers({{"traceparent", "nonsense"},
                                                         {"correlation-id", std::string(256, 'x')},
                                                         {"causation-id", "line\nbreak"}}));
  EXPECT_FALSE(context.span.valid());
  EXPECT_EQ(context.correlation_id(), "");
  EXPECT_EQ(context.causation_id(), "");
}

TEST(Propagator, hands_on_nothing_but_printable_ascii) {
  for (int byte = 0; byte < 0x100; ++byte) {
    const auto with = [byte](std::string text) {
      text.insert(text.size() / 2, 1, static_cast<char>(byte));
      return text;
    };
    const Headers there({{"traceparent", std::string(example)},
                         {"tracestate", with("rojo=1,  ,congo=2")},
                         {"baggage", with("a=b;pq")},
                         {"correlation-id", with("order")},
                         {"causation-id", with("event")}});
    Headers on;
    w3c_propagator().inject(w3c_propagator().extract(there), on);
    for (const auto* name :
         {"traceparent", "tracestate", "baggage", "correlation-id", "causation-id"}) {
      EXPECT_TRUE(is_printable(on.get(name))) << name << " with " << byte;
    }
  }
}

TEST(Propagator, takes_a_tab_between_the_members_of_a_tracestate_for_a_space) {
  const Headers there({{"traceparent", std::string(example)}, {"tracestate", "rojo=1,\tcongo=2"}});
  EXPECT_EQ(*w3c_propagator().extract(there).span.trace_state, "rojo=1, congo=2");
}

TEST(Scope, makes_a_context_current_until_it_ends) {
  EXPECT_FALSE(current_context().span.valid());
  {
    const Scope outer(Context{.span = *parse_traceparent(example)});
    EXPECT_TRUE(current_context().span.valid());
    {
      const Scope inner((Context()));
      EXPECT_FALSE(current_context().span.valid());
    }
    EXPECT_TRUE(current_context().span.valid());
  }
  EXPECT_FALSE(current_context().span.valid());
}

}  // namespace
}  // namespace weir::telemetry
