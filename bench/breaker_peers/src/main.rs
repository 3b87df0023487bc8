//! Prints what an empty call through a closed circuit breaker costs, in nanoseconds: recloser over
//! its last 100 calls, failsafe over a window of 30 s.

use std::hint::black_box;
use std::time::{Duration, Instant};

use failsafe::CircuitBreaker;

const CALLS: u32 = 200_000;

fn best(mut call: impl FnMut()) -> f64 {
    let mut least = f64::MAX;
    for _ in 0..21 {
        let begin = Instant::now();
        for _ in 0..CALLS {
            call();
        }
        least = least.min(begin.elapsed().as_nanos() as f64 / f64::from(CALLS));
    }
    least
}

fn main() {
    let recloser = recloser::Recloser::custom()
        .error_rate(0.5)
        .closed_len(100)
        .half_open_len(10)
        .open_wait(Duration::from_secs(30))
        .build();
    let count = best(|| {
        black_box(recloser.call(|| black_box(Ok::<(), ()>(())))).ok();
    });

    let backoff = failsafe::backoff::constant(Duration::from_secs(30));
    let policy = failsafe::failure_policy::success_rate_over_time_window(
        0.5,
        20,
        Duration::from_secs(30),
        backoff,
    );
    let failsafe = failsafe::Config::new().failure_policy(policy).build();
    let time = best(|| {
        black_box(failsafe.call(|| black_box(Ok::<(), ()>(())))).ok();
    });

    println!("{{\"recloser\":{count:.3},\"failsafe\":{time:.3}}}");
}
