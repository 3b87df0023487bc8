#include <bench/case.hpp>

#include <algorithm>

namespace weir::bench {

double median(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  const auto middle = samples.size() / 2;
  return samples.size() % 2 == 1 ? samples[middle] : (samples[middle - 1] + samples[middle]) / 2;
}

Result<Figures> alternate(int rounds, const Sample& raw, const Sample& weir) {
  std::vector<double> raws, weirs;
  for (int i = 0; i < rounds; ++i) {
    WEIR_TRY_ASSIGN(of_raw, raw());
    WEIR_TRY_ASSIGN(of_weir, weir());
    raws.push_back(of_raw);
    weirs.push_back(of_weir);
  }
  const auto raw_median = median(raws);
  const auto weir_median = median(weirs);
  return Figures{.raw = raw_median, .weir = weir_median, .ratio = weir_median / raw_median};
}

Result<Figures> alternate_less(int rounds, const Sample& raw, const Sample& weir) {
  WEIR_TRY_ASSIGN(figures, alternate(rounds, raw, weir));
  figures.ratio = figures.raw / figures.weir;
  return figures;
}

std::string how_many(const Context& context) {
  return context.quick ? "1,000,000 (quick; 10,000,000 in full)" : "10,000,000";
}

}  // namespace weir::bench
