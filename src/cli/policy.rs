//! `countersign policy`: what the rules say, without a server.

mod asked;
mod cases;
mod explain;
mod human;
mod lines;
mod lint;
mod load;
mod owners;
mod past;
mod replay;
mod schema;
mod simulate;

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::Subcommand;

pub use explain::{Answered, Form, explain};
pub use replay::{Different, Replayed, Tally, replay_lines};

/// What went wrong on the way to an answer.
const FAILED: u8 = 1;
/// The answer is no, or there is something to look at.
const FINDINGS: u8 = 3;

/// What `countersign policy` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say what the rules make of a proposal: its tier, checks, and who must approve
    ///
    /// With a file, or with the id of a recorded proposal and `--ledger`, a tree of what holds, what is missing and what
    /// would satisfy it; the exit code is 3 while the gate is shut. A recorded proposal is judged on what was recorded,
    /// as it stood when it was last observed. Without one, a question a line on standard input and an answer a line on standard output, in order: facts, or
    /// `{"case": .., "observation": ..}` as the ledger has them, decided by the function that also decides on pull requests,
    /// before execution and in audits. A line that can't be read is answered with its error, and the exit code is 1 then.
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(explain::Args),
    /// Find what is wrong in policy files, and what their author most likely did not mean
    ///
    /// Errors keep the policy from compiling, or something shut for good; warnings are lines that do nothing, or less
    /// than they seem to. The exit code is 3 when there are errors, and for warnings too with `--strict`.
    Lint {
        /// The folder of the policy files
        #[arg(value_name = "DIR", default_value = "policies")]
        policies: PathBuf,
        /// One JSON object
        #[arg(long)]
        json: bool,
        /// Warnings count as errors
        #[arg(long)]
        strict: bool,
    },
    /// Print the JSON Schema of a kind of file, for editors
    ///
    /// The starter files name the schemas as `../.countersign/schema/KIND.json`, which editors with a YAML language
    /// server read from the disk: `countersign policy schema --write .countersign/schema` puts them there.
    Schema {
        /// The kind of file
        #[arg(value_name = "KIND", value_parser = schema::kinds(), required_unless_present = "write")]
        kind: Option<schema::Kind>,
        /// Write the schemas of all kinds into this folder, as KIND.json
        #[arg(long, value_name = "DIR", conflicts_with = "kind")]
        write: Option<PathBuf>,
    },
    /// Run the cases of `tests/*.yaml`: proposals and reviews with the outcome they must have
    ///
    /// A table of cases by action; below a failed one what differs and the rules that decided; then what the cases
    /// cover. The exit code is 1 when a case fails, and 3 with `--require-coverage` when something is not covered.
    Test(cases::Args),
    /// Say what would be different if: other values, other reviews, other rules
    #[command(after_help = SIMULATE_EXAMPLES)]
    Simulate(simulate::Args),
    /// Decide on every past proposal again under other rules, and say what would change; the exit code is 3 then
    ///
    /// Facts are what no rules can change: what was proposed and observed, and which reviews were recorded in time. Both
    /// sets of rules judge them; actions with the same rules in both are left out.
    #[command(after_help = REPLAY_EXAMPLES)]
    Replay(replay::Args),
    /// Say who owns paths, and by which line of CODEOWNERS; the exit code is 3 when nobody owns one
    Owners {
        /// The CODEOWNERS file
        #[arg(long, value_name = "CODEOWNERS", default_value = "policies/CODEOWNERS")]
        file: PathBuf,
        /// One JSON object a path
        #[arg(long)]
        json: bool,
        /// The paths, as in `/payments/suppliers/42`
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<String>,
    },
}

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  countersign policy explain payment.yaml
  countersign policy explain payment.yaml --review alice=approve --review bob=approve
  countersign policy explain 01KAQ3V5H80000000000000000 --ledger . --genesis sha256:...
  countersign policy explain < questions.jsonl > answers.jsonl";

const SIMULATE_EXAMPLES: &str = "\
Examples:
  countersign policy simulate payment.yaml --set parameters.amount.minor=5000
  countersign policy simulate payment.yaml --review alice=approve --candidate ../new/policies
  countersign policy simulate 01KAQ3V5H80000000000000000 --ledger . --candidate ../new/policies";

const REPLAY_EXAMPLES: &str = "\
Examples:
  countersign policy replay --candidate ../new/policies --ledger . --genesis sha256:...
  countersign audit facts . > facts.jsonl && countersign policy replay --candidate ../new/policies --facts facts.jsonl";

/// Runs `countersign policy`. Exit codes: 0 fine, 1 failure, 2 usage, 3 findings.
pub fn run(args: Args) -> ExitCode {
    let done = match args.command {
        Command::Explain(args) => explain::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Simulate(args) => simulate::run(&args, crate::cli::door::now()),
        Command::Lint {
            policies,
            json,
            strict,
        } => lint::run(&policies, json, strict),
        Command::Schema { kind, write } => schema::run(kind, write.as_deref()),
        Command::Test(args) => cases::run(&args),
        Command::Owners { file, json, paths } => owners::run(&file, json, &paths),
    };
    match done {
        Ok(code) => code,
        // Whoever read our output has read enough, as `head` does.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            let shown = failure
                .reports()
                .iter()
                .try_for_each(|report| writeln!(anstream::stderr(), "{report:?}"));
            // Nobody is left to tell when standard error is closed too.
            drop(shown);
            ExitCode::from(FAILED)
        }
    }
}

/// Why there is no answer.
#[derive(Debug)]
enum Failure {
    /// Files that can't be used, each with its place.
    Files(Vec<miette::Report>),
    /// Standard output or input failed.
    Output(io::Error),
}

impl Failure {
    fn reports(self) -> Vec<miette::Report> {
        match self {
            Self::Files(reports) => reports,
            Self::Output(error) => vec![miette::miette!("standard input or output failed: {error}")],
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}
