//! `countersign policy`: what the rules say, without a server.

mod cases;
mod explain;
mod human;
mod lint;
mod load;
mod owners;
mod schema;

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::Subcommand;

use crate::domain::policy::editor;

pub use explain::{Answered, Form, explain};

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
    /// Decide on cases: `{"case": .., "observation": ..}` a line on standard input, a decision a line on standard output
    ///
    /// The same function decides on pull requests, before execution and in audits. Lines keep their order; a line that
    /// can't be read is answered with its error, and the exit code is 1 then.
    Explain {
        /// The folder that holds catalog.yaml, tiers.yaml, CODEOWNERS, people.yaml and agents.yaml
        #[arg(long, value_name = "DIR", default_value = "policies")]
        policies: PathBuf,
        /// A tree for people: what holds, what is missing, and what would satisfy it
        #[arg(long)]
        human: bool,
    },
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
        #[arg(value_name = "KIND", value_parser = schema::forms(), required_unless_present = "write")]
        kind: Option<editor::Form>,
        /// Write the schemas of all kinds into this folder, as KIND.json
        #[arg(long, value_name = "DIR", conflicts_with = "kind")]
        write: Option<PathBuf>,
    },
    /// Run the cases of `tests/*.yaml`: proposals and reviews with the outcome they must have
    ///
    /// A table of cases by action; below a failed one what differs and the rules that decided; then what the cases
    /// cover. The exit code is 1 when a case fails, and 3 with `--require-coverage` when something is not covered.
    Test(cases::Args),
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

/// Runs `countersign policy`. Exit codes: 0 fine, 1 failure, 2 usage, 3 findings.
pub fn run(args: Args) -> ExitCode {
    let done = match args.command {
        Command::Explain { policies, human } => explain::run(&policies, human),
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
