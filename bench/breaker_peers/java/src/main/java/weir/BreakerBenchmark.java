package weir;

import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig;
import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig.SlidingWindowType;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/** An empty call through a closed circuit breaker of Resilience4j. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(1)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
public class BreakerBenchmark {
  private final Supplier<Integer> count = decorated(SlidingWindowType.COUNT_BASED, 100);
  private final Supplier<Integer> time = decorated(SlidingWindowType.TIME_BASED, 30);

  private static Supplier<Integer> decorated(SlidingWindowType type, int size) {
    var config = CircuitBreakerConfig.custom()
        .slidingWindowType(type).slidingWindowSize(size).failureRateThreshold(50).build();
    return CircuitBreaker.decorateSupplier(CircuitBreaker.of(type.name(), config), () -> 1);
  }

  @Benchmark
  public Integer count() {
    return count.get();
  }

  @Benchmark
  public Integer time() {
    return time.get();
  }
}
