//! Throws changed files at everything that reads what people and agents write.
//!
//! ```text
//! cargo run --release --example fuzz -- codeowners 600       # seconds
//! cargo run --release --example fuzz -- cel 600 --seed 7
//! ```
//!
//! Inputs begin with real files and are changed at random; what gives a new kind of answer is kept and changed further.
//! A finding is a panic, an answer that contradicts another way to the same answer, or one that takes too long. The
//! input of a finding is written to `fuzz-TARGET-finding`, and the exit code is 1.
#![allow(
    unreachable_pub,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a developer's tool that stops at the unexpected and speaks on the terminal"
)]

mod mutate;
mod targets;

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use mutate::Pool;
use targets::{TARGETS, Target};

/// One input takes no longer than this in a release build.
const SLOW: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let (name, seconds, seed) = match words.as_slice() {
        [name, seconds] => (*name, *seconds, "1"),
        [name, seconds, "--seed", seed] => (*name, *seconds, *seed),
        _ => return usage(),
    };
    let target = TARGETS.iter().find(|target| target.name == name);
    let (Some(target), Ok(seconds), Ok(seed)) = (target, seconds.parse(), seed.parse()) else {
        return usage();
    };
    run(target, Duration::from_secs(seconds), seed)
}

fn usage() -> ExitCode {
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    eprintln!("usage: fuzz {} SECONDS [--seed NUMBER]", names.join("|"));
    ExitCode::from(2)
}

fn run(target: &Target, time: Duration, seed: u64) -> ExitCode {
    let mut pool = Pool::new(target.seeds(), target.words, seed);
    let judge = (target.judge)();
    let begin = Instant::now();
    let (mut inputs, mut slowest) = (0_u64, Duration::ZERO);
    let mut told = begin;
    while begin.elapsed() < time {
        let input = pool.next();
        let asked = Instant::now();
        // The panic's own message has gone to the terminal by then.
        let answer = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| judge(&input)));
        let took = asked.elapsed();
        slowest = slowest.max(took);
        inputs += 1;
        let wrong = match &answer {
            Err(_) => Some("a panic".to_owned()),
            Ok(Err(why)) => Some(why.clone()),
            Ok(Ok(_)) if took > SLOW => Some(format!("{} ms for one input", took.as_millis())),
            Ok(Ok(_)) => None,
        };
        if let Some(why) = wrong {
            let file = format!("fuzz-{}-finding", target.name);
            std::fs::write(&file, &input).expect("the finding can be kept");
            println!(
                "{}: {why}; input {inputs} of seed {seed} is in {file}",
                target.name
            );
            return ExitCode::FAILURE;
        }
        if let Ok(Ok(kind)) = answer {
            pool.answered(&input, &kind);
        }
        if told.elapsed() > Duration::from_secs(60) {
            told = Instant::now();
            println!(
                "{}: {inputs} inputs, {} kinds of answers",
                target.name,
                pool.kinds()
            );
        }
    }
    println!(
        "{}: {inputs} inputs in {} s from seed {seed}, {} kinds of answers, the slowest took {} ms; no finding",
        target.name,
        begin.elapsed().as_secs(),
        pool.kinds(),
        slowest.as_millis()
    );
    ExitCode::SUCCESS
}
