//! What fuzzing of a target begins with.

use std::{fs, path::Path};

use crate::targets::{Judge, TARGETS, Target};

fn target(name: &str) -> &'static Target {
    let mut targets = TARGETS.iter();
    targets
        .find(|target| target.name == name)
        .expect("a target of this name")
}

/// What reads the inputs of a target.
pub fn judge(name: &str) -> Judge {
    (target(name).judge)()
}

/// Writes real inputs to `corpus/TARGET/`, and the words of the language to `TARGET.dict`, where libFuzzer reads them.
pub fn seeds(name: &str) {
    let target = target(name);
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = here.join("corpus").join(name);
    fs::create_dir_all(&folder).expect("a folder for the seeds");
    for (number, seed) in target.seeds().iter().enumerate() {
        fs::write(folder.join(format!("seed-{number}")), seed).expect("a seed is written");
    }
    let word = |word: &&str| -> String {
        let bytes: Vec<String> = word.bytes().map(|byte| format!("\\x{byte:02x}")).collect();
        format!("\"{}\"\n", bytes.concat())
    };
    let words: String = target.words.iter().map(word).collect();
    fs::write(here.join(format!("{name}.dict")), words).expect("the words are written");
}
