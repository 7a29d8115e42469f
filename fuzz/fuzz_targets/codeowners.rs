#![no_main]

#[path = "../start.rs"]
mod start;
#[path = "../targets.rs"]
mod targets;

thread_local! {
    static JUDGE: targets::Judge = start::judge("codeowners");
}

libfuzzer_sys::fuzz_target!(init: start::seeds("codeowners"), |input: &[u8]| JUDGE.with(|judge| {
    if let Err(why) = judge(input) {
        panic!("{why}");
    }
}));
