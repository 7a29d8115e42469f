#![no_main]

#[path = "../start.rs"]
mod start;
#[path = "../targets.rs"]
mod targets;

thread_local! {
    static JUDGE: targets::Judge = start::judge("cel");
}

libfuzzer_sys::fuzz_target!(init: start::seeds("cel"), |input: &[u8]| JUDGE.with(|judge| {
    if let Err(why) = judge(input) {
        panic!("{why}");
    }
}));
