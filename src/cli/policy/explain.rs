//! `countersign policy explain`: the pure core on JSON lines.

use std::{
    io::{self, Read, Write},
    mem,
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde::{Deserialize, Serialize, de::IgnoredAny};

use super::{
    FAILED, FINDINGS, Failure,
    asked::{Review, ask},
    human,
    lines::on_every_core,
    load,
    past::Past,
};
use crate::domain::{
    case::Case,
    facts::{Facts, Judged, judge},
    gate::{Decision, Verdict, decide},
    observation::Observation,
    policy::Policy,
};

/// One line of input with a recorded case; any other line holds facts.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
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

/// What is to be explained.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The proposal, in YAML or JSON, as `countersign propose` sends it; with `--ledger`, the id of a recorded one
    #[arg(value_name = "PROPOSAL")]
    proposal: Option<PathBuf>,
    #[command(flatten)]
    past: Past,
    /// What somebody would say; may be given several times
    #[arg(long = "review", value_name = "NAME=approve|changes", requires = "proposal")]
    reviews: Vec<Review>,
    /// The folder that holds catalog.yaml, tiers.yaml, CODEOWNERS, people.yaml and agents.yaml; `policies` unless
    /// stated, and with `--ledger` the rules that the ledger says are in force
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    /// Lines: a tree for people instead of JSON
    #[arg(long, conflicts_with = "json")]
    human: bool,
    /// With a proposal: one JSON object instead of a tree
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    match &args.proposal {
        Some(proposal) => one(proposal, args),
        None => lines(args),
    }
}

fn lines(args: &Args) -> Result<ExitCode, Failure> {
    let policy = load::policy(args.policies.as_deref().unwrap_or(Path::new(load::FOLDER)))?;
    let form = if args.human { Form::Human } else { Form::Json };
    let answered = explain(&policy, io::stdin(), io::stdout(), form)?;
    Ok(if answered.unreadable > 0 {
        ExitCode::from(FAILED)
    } else {
        ExitCode::SUCCESS
    })
}

/// Explains one proposal. Exit codes: 0 the gate would open, 3 it would not.
fn one(proposal: &Path, args: &Args) -> Result<ExitCode, Failure> {
    let now = crate::cli::door::now();
    let (policy, asked) = ask(proposal, &args.past, args.policies.as_deref(), now)?;
    let judged = judge(&asked.facts(&args.reviews)?, &policy);
    let open = judged.gate == Verdict::Open;
    let form = if args.json { Form::Json } else { Form::Human };
    let mut text = Vec::new();
    if let (Form::Human, Some(heading)) = (form, asked.heading()) {
        writeln!(text, "{heading}")?;
    }
    Answer::Judged(judged).write(&mut text, form)?;
    io::stdout().lock().write_all(&text)?;
    Ok(if open {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FINDINGS)
    })
}

/// Decides on every line of the input, in order. Answers as soon as the input pauses, so that a script can ask and read
/// in turn; lines that wait together are decided on every core. Errors: reading or writing failed.
pub fn explain(
    policy: &Policy,
    from: impl Read + Send,
    mut to: impl Write + Send,
    form: Form,
) -> io::Result<Answered> {
    let mut answered = Answered::default();
    on_every_core(
        from,
        |answers: &mut Answers, number, line| answers.add(policy, number, line, form),
        |answers| {
            to.write_all(&answers.text)?;
            answers.text.clear();
            let run = mem::take(&mut answers.answered);
            answered.decided += run.decided;
            answered.unreadable += run.unreadable;
            to.flush()
        },
    )?;
    Ok(answered)
}

/// The answers to a run of lines.
#[derive(Debug, Default)]
struct Answers {
    text: Vec<u8>,
    answered: Answered,
}

impl Answers {
    fn add(&mut self, policy: &Policy, number: u64, line: &[u8], form: Form) -> io::Result<()> {
        let answer = match serde_json::from_slice::<Facts>(line) {
            Ok(facts) => Ok(Answer::Judged(judge(&facts, policy))),
            Err(error) => match serde_json::from_slice::<Keys>(line) {
                Ok(
                    Keys { case: Some(_), .. }
                    | Keys {
                        observation: Some(_), ..
                    },
                ) => serde_json::from_slice(line).map(|Recorded { case, observation }| {
                    Answer::Decided(decide(&case, &observation, policy), Box::new(case))
                }),
                Ok(Keys { .. }) | Err(_) => Err(error),
            },
        };
        match answer {
            Ok(answer) => {
                self.answered.decided += 1;
                answer.write(&mut self.text, form)
            }
            Err(error) => {
                self.answered.unreadable += 1;
                let message = error.to_string();
                match form {
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
