//! Inputs made of other inputs.

use std::collections::HashSet;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};

/// The longest input, in bytes: large enough that what is not linear shows.
const LONGEST: usize = 256 << 10;
/// The most inputs that are kept.
const MOST: usize = 4_000;

/// Inputs worth changing, and the kinds of answers they gave.
pub struct Pool {
    inputs: Vec<Vec<u8>>,
    seeds: usize,
    words: &'static [&'static str],
    kinds: HashSet<String>,
    random: StdRng,
}

impl Pool {
    pub fn new(inputs: Vec<Vec<u8>>, words: &'static [&'static str], seed: u64) -> Self {
        Self {
            seeds: inputs.len(),
            inputs,
            words,
            kinds: HashSet::new(),
            random: StdRng::seed_from_u64(seed),
        }
    }

    /// A changed input.
    pub fn next(&mut self) -> Vec<u8> {
        let mut input = self.inputs.choose(&mut self.random).cloned().unwrap_or_default();
        let changes = 1 << self.random.random_range(0..5_u32);
        for _ in 0..changes {
            self.change(&mut input);
        }
        input.truncate(LONGEST);
        input
    }

    /// Keeps an input whose kind of answer was not seen before.
    pub fn answered(&mut self, input: &[u8], kind: &str) {
        // Numbers and names differ from input to input without being of another kind.
        let kind: String = kind.chars().filter(|c| !c.is_ascii_digit()).take(200).collect();
        if self.kinds.insert(kind) && input.len() < LONGEST / 4 {
            if self.inputs.len() >= MOST {
                let at = self.random.random_range(self.seeds..self.inputs.len());
                self.inputs.swap_remove(at);
            }
            self.inputs.push(input.to_vec());
        }
    }

    pub fn kinds(&self) -> usize {
        self.kinds.len()
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let random = &mut self.random;
        let at = random.random_range(0..=input.len());
        let longest = (input.len() - at).min(64);
        let end = at + random.random_range(0..=longest);
        match random.random_range(0..10_u32) {
            0 => drop(input.drain(at..end)),
            1 => input.insert(at, random.random()),
            2 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << random.random_range(0..8_u32);
                }
            }
            3 => {
                let part = input[at..end].to_vec();
                input.splice(at..at, part);
            }
            // What is not linear shows when a part comes very often.
            4 if random.random_range(0..20_u32) == 0 => {
                let part = input[at..end].repeat(random.random_range(1..4_000));
                if input.len() + part.len() <= LONGEST {
                    input.splice(at..at, part);
                }
            }
            5 => {
                let other = self.inputs.choose(random).cloned().unwrap_or_default();
                let from = random.random_range(0..=other.len());
                let until = from + random.random_range(0..=(other.len() - from).min(400));
                input.splice(at..end, other[from..until].iter().copied());
            }
            6 => {
                const NUMBERS: &[&str] = &[
                    "0",
                    "-1",
                    "9223372036854775808",
                    "1e999",
                    "0.1",
                    "00",
                    "1_000",
                    "NaN",
                ];
                let number = NUMBERS.choose(random).unwrap_or(&"0");
                input.splice(at..end, number.bytes());
            }
            7 => {
                const ODD: &[&str] = &[
                    "\u{202e}",
                    "\u{feff}",
                    "\r\n",
                    "\t",
                    "\0",
                    "é",
                    "\u{e0041}",
                    "а",
                    "\u{1f600}",
                ];
                let odd = ODD.choose(random).unwrap_or(&"\0");
                input.splice(at..at, odd.bytes());
            }
            _ => {
                let word = self.words.choose(random).copied().unwrap_or(" ");
                let from = if random.random() { at } else { end };
                input.splice(at..from, word.bytes());
            }
        }
    }
}
