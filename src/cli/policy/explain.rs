//! `countersign policy explain`: the pure core on JSON lines.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    path::Path,
    process::ExitCode,
    thread,
};

use serde::{Deserialize, Serialize, de::IgnoredAny};

use super::{FAILED, Failure, human, load};
use crate::domain::{
    case::Case,
    facts::{Facts, Judged, judge},
    gate::{Decision, decide},
    observation::Observation,
    policy::Policy,
};

/// Bytes read and written at a time.
const BUFFER: usize = 8 << 20;

/// One line of input with a recorded case; any other line holds facts.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    case: Case,
    observation: Observation,
}

/// What tells a case from facts.
#[derive(Deserialize)]
struct Keys {
    case: Option<IgnoredAny>,
    observation: Option<IgnoredAny>,
}

/// One line of output.
enum Answer {
    Judged(Judged),
    Decided(Decision, Box<Case>),
}

impl Answer {
    fn write(&self, to: &mut Vec<u8>, form: Form) -> io::Result<()> {
        match (form, self) {
            (Form::Human, Self::Judged(judged)) => return human::judged(to, judged),
            (Form::Human, Self::Decided(decision, case)) => return human::decided(to, case, decision),
            (Form::Json, Self::Judged(judged)) => serde_json::to_writer(&mut *to, judged)?,
            (Form::Json, Self::Decided(decision, _)) => serde_json::to_writer(&mut *to, decision)?,
        }
        to.push(b'\n');
        Ok(())
    }
}

/// One line of output for a line that can't be read.
#[derive(Serialize)]
struct Unreadable {
    error: Place,
}

#[derive(Serialize)]
struct Place {
    line: u64,
    message: String,
}

/// How decisions are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One JSON object a line.
    Json,
    /// A tree for people.
    Human,
}

/// How many lines were answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Answered {
    /// With a decision.
    pub decided: u64,
    /// With an error.
    pub unreadable: u64,
}

pub(super) fn run(policies: &Path, human: bool) -> Result<ExitCode, Failure> {
    let policy = load::policy(policies)?;
    let form = if human { Form::Human } else { Form::Json };
    let answered = explain(&policy, io::stdin().lock(), io::stdout().lock(), form)?;
    Ok(if answered.unreadable > 0 {
        ExitCode::from(FAILED)
    } else {
        ExitCode::SUCCESS
    })
}

/// Decides on every line of the input, in order. Answers as soon as the input pauses, so that a script can ask and read
/// in turn; lines that wait together are decided on every core. Errors: reading or writing failed.
pub fn explain(policy: &Policy, from: impl Read, mut to: impl Write, form: Form) -> io::Result<Answered> {
    let mut from = BufReader::with_capacity(BUFFER, from);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut answered = Answered::default();
    let mut number = 0;
    let (mut text, mut lines) = (Vec::new(), Vec::new());
    loop {
        text.clear();
        lines.clear();
        // The first line is waited for; then whatever is complete in the buffer goes along.
        while lines.is_empty() || from.buffer().contains(&b'\n') {
            let start = text.len();
            if from.read_until(b'\n', &mut text)? == 0 {
                break;
            }
            number += 1;
            lines.push((number, start..text.len()));
        }
        if lines.is_empty() {
            to.flush()?;
            return Ok(answered);
        }
        let share = lines.len().div_ceil(cores);
        let text = text.as_slice();
        let answer = |lines: &[(u64, std::ops::Range<usize>)]| {
            let mut answers = Answers {
                form,
                ..Answers::default()
            };
            for (number, range) in lines {
                answers.add(policy, *number, text.get(range.clone()).unwrap_or_default())?;
            }
            Ok::<_, io::Error>(answers)
        };
        let all = thread::scope(|scope| {
            let (mine, others) = lines.split_at(share.min(lines.len()));
            let others: Vec<_> = others
                .chunks(share)
                .map(|chunk| scope.spawn(move || answer(chunk)))
                .collect();
            let mut all = vec![answer(mine)];
            let panicked = |_| Err(io::Error::other("a decision could not be made"));
            all.extend(
                others
                    .into_iter()
                    .map(|other| other.join().unwrap_or_else(panicked)),
            );
            all
        });
        for answers in all {
            let answers = answers?;
            to.write_all(&answers.text)?;
            answered.decided += answers.answered.decided;
            answered.unreadable += answers.answered.unreadable;
        }
        to.flush()?;
    }
}

/// The answers to a run of lines.
#[derive(Debug)]
struct Answers {
    form: Form,
    text: Vec<u8>,
    answered: Answered,
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            form: Form::Json,
            text: Vec::new(),
            answered: Answered::default(),
        }
    }
}

impl Answers {
    fn add(&mut self, policy: &Policy, number: u64, line: &[u8]) -> io::Result<()> {
        if line.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        let answer = match serde_json::from_slice::<Facts>(line) {
            Ok(facts) => Ok(Answer::Judged(judge(&facts, policy))),
            Err(error) => match serde_json::from_slice::<Keys>(line) {
                Ok(
                    Keys { case: Some(_), .. }
                    | Keys {
                        observation: Some(_), ..
                    },
                ) => serde_json::from_slice(line).map(|Asked { case, observation }| {
                    Answer::Decided(decide(&case, &observation, policy), Box::new(case))
                }),
                Ok(Keys { .. }) | Err(_) => Err(error),
            },
        };
        match answer {
            Ok(answer) => {
                self.answered.decided += 1;
                answer.write(&mut self.text, self.form)
            }
            Err(error) => {
                self.answered.unreadable += 1;
                let message = error.to_string();
                match self.form {
                    Form::Json => {
                        let error = Place {
                            line: number,
                            message,
                        };
                        serde_json::to_writer(&mut self.text, &Unreadable { error })?;
                        self.text.push(b'\n');
                        Ok(())
                    }
                    Form::Human => writeln!(self.text, "line {number} can't be read: {message}"),
                }
            }
        }
    }
}
