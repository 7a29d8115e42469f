//! A short run of every fuzz target on every test run; `fuzz/run` runs them for long, guided by coverage.

mod mutate;
#[path = "../../fuzz/targets.rs"]
mod targets;

use targets::TARGETS;

#[test]
fn no_target_has_a_finding_in_its_first_inputs() {
    for target in TARGETS {
        let mut pool = mutate::Pool::new(target.seeds(), target.words, 7);
        let judge = (target.judge)();
        for seed in target.seeds() {
            judge(&seed).unwrap_or_else(|why| panic!("{}: {why}", target.name));
        }
        for _ in 0..60 {
            let input = pool.next();
            let kind = judge(&input)
                .unwrap_or_else(|why| panic!("{}: {why}\n{}", target.name, String::from_utf8_lossy(&input)));
            pool.answered(&input, &kind);
        }
        assert!(pool.kinds() > 3, "{}: every input is answered alike", target.name);
    }
}
