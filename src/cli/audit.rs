//! `countersign audit`: proves and reads a ledger from any clone of its repository.

use std::{
    error::Error,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args as ClapArgs, Subcommand};

use super::progress::{bar, tell};
use crate::{
    domain::{
        audit::Recorded,
        book::Book,
        ids::{BranchName, Digest, ProposalId},
    },
    ledger::{Checkpoint, SignedCheckpoint, Signer, Step, WalkError, for_one_reading, verify, walk},
};

mod facts;
mod log;
mod report;
mod sample;
mod signs;
mod trace;

/// Something on the branch is not part of the record.
const FINDINGS: u8 = 3;

/// Prove and read a ledger.
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prove a ledger from a clone and its genesis digest; exit 3 when something is found
    Verify {
        #[command(flatten)]
        ledger: Where,
        #[command(flatten)]
        root: Root,
        /// A checkpoint that was kept elsewhere: proves that nothing was cut off before it
        #[arg(long, value_name = "FILE")]
        checkpoint: Option<PathBuf>,
        /// Print the report as JSON
        #[arg(long)]
        json: bool,
    },
    /// Print every entry in one line
    Log {
        #[command(flatten)]
        record: Record,
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Print one proposal's life: every entry, person and digest
    Trace {
        /// The proposal's id
        id: ProposalId,
        #[command(flatten)]
        record: Record,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the facts of every proposal, one JSON object a line, for `countersign policy replay` and `policy explain`
    Facts {
        #[command(flatten)]
        record: Record,
    },
    /// Print the executions without review that somebody is to look at, as `sample_review` of the low gate asks
    Sample {
        #[command(flatten)]
        record: Record,
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Print what is nobody's mistake and worth a look: people who only ever approve for each other; exit 3 when there are
    Signs {
        #[command(flatten)]
        record: Record,
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Prove a ledger, then note how long it is, signed by the gate (a C2SP checkpoint)
    Checkpoint {
        #[command(flatten)]
        ledger: Where,
        #[command(flatten)]
        root: Root,
        /// The gate's private key
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// Where to write it, instead of standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

#[derive(Debug, ClapArgs)]
struct Where {
    /// A clone or a bare repository that holds the ledger's branch
    #[arg(value_name = "REPO", default_value = ".")]
    repo: PathBuf,
    /// The ledger's branch
    #[arg(long, default_value = "ledger")]
    branch: BranchName,
}

/// A ledger to read, proved as far as it is read.
#[derive(Debug, ClapArgs)]
struct Record {
    #[command(flatten)]
    ledger: Where,
    /// The digest that the ledger must begin with
    #[arg(long, value_name = "DIGEST", env = "COUNTERSIGN_GENESIS")]
    genesis: Option<Digest>,
}

impl Record {
    /// Reads it entry by entry: the book at its end, if it is a ledger, and how much on the branch is no part of it.
    fn read(&self, mut each: impl FnMut(Option<&Book>, &Recorded)) -> Result<(Option<Book>, u64), WalkError> {
        let mut findings = 0;
        let Where { repo, branch } = &self.ledger;
        let each = |book: Option<&Book>, step: Step<'_>| match step {
            Step::Recorded(recorded) => each(book, recorded),
            Step::Found(_) => findings += 1,
        };
        let walked = walk(repo, branch, self.genesis, each, |_, _| {})?;
        Ok((walked.book, findings))
    }
}

/// Whether something was found; says so beside what was printed.
fn warned(findings: u64) -> io::Result<bool> {
    if findings > 0 {
        writeln!(
            anstream::stderr(),
            "warning: {findings} more on the branch is not part of the record; run `countersign audit verify`"
        )?;
    }
    Ok(findings > 0)
}

#[derive(Debug, ClapArgs)]
struct Root {
    /// The genesis digest that `countersign init` printed
    #[arg(long, value_name = "DIGEST", env = "COUNTERSIGN_GENESIS")]
    genesis: Digest,
}

/// Runs the command; 0 is fine, 1 a failure, 3 findings.
pub fn run(args: Args) -> ExitCode {
    for_one_reading();
    match args.command.run() {
        Ok(code) => code,
        Err(error) => {
            // Nothing is left to do when standard error is gone too.
            let _ = writeln!(anstream::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

impl Command {
    fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        let mut out = io::BufWriter::new(anstream::stdout());
        let code = match self {
            Self::Verify {
                ledger,
                root,
                checkpoint,
                json,
            } => {
                let checkpoint = checkpoint.map(|path| read_checkpoint(&path)).transpose()?;
                let started = std::time::Instant::now();
                let bar = bar();
                let report = verify(
                    &ledger.repo,
                    &ledger.branch,
                    root.genesis,
                    checkpoint.as_ref(),
                    |done, of| tell(&bar, done, of),
                )?;
                bar.finish_and_clear();
                if json {
                    report::write_json(&mut out, &report, started.elapsed())?;
                } else {
                    report::write_for_people(&mut out, &report, &ledger.branch, started.elapsed())?;
                }
                found(!report.sound())
            }
            Self::Log { record, json } => found(log::write(&mut out, &record, json)?),
            Self::Trace { id, record, json } => found(trace::write(&mut out, &record, id, json)?),
            Self::Sample { record, json } => found(sample::write(&mut out, &record, json)?),
            Self::Signs { record, json } => found(signs::write(&mut out, &record, json)?),
            Self::Facts { record } => found(facts::write(&mut out, &record)?),
            Self::Checkpoint {
                ledger,
                root,
                key,
                out: file,
            } => {
                let note = checkpoint(&ledger, root.genesis, &Signer::load(&key)?)?;
                match file {
                    Some(path) => std::fs::write(&path, note)
                        .map_err(|error| format!("`{}` can't be written: {error}", path.display()))?,
                    None => out.write_all(note.as_bytes())?,
                }
                ExitCode::SUCCESS
            }
        };
        match out.flush() {
            // Whoever read us has read enough, as `| head` does.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
            Ok(()) | Err(_) => Ok(code),
        }
    }
}

fn found(something: bool) -> ExitCode {
    if something {
        ExitCode::from(FINDINGS)
    } else {
        ExitCode::SUCCESS
    }
}

fn read_checkpoint(path: &std::path::Path) -> Result<SignedCheckpoint, Box<dyn Error>> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| format!("`{shown}` can't be read: {error}"))?;
    let note = SignedCheckpoint::read(&text).map_err(|error| format!("`{shown}`: {error}"))?;
    Ok(note)
}

/// The note of a ledger that is sound.
fn checkpoint(ledger: &Where, genesis: Digest, key: &Signer) -> Result<String, Box<dyn Error>> {
    let mut findings = 0_u64;
    let bar = bar();
    let each = |_: Option<&_>, step: Step<'_>| match step {
        Step::Recorded(_) => {}
        Step::Found(_) => findings += 1,
    };
    let walked = walk(&ledger.repo, &ledger.branch, Some(genesis), each, |done, of| {
        tell(&bar, done, of);
    })?;
    bar.finish_and_clear();
    let book = walked.book.filter(|_| findings == 0);
    let book = book.ok_or("the ledger is not sound, so nothing is noted; run `countersign audit verify`")?;
    let newest = crate::domain::ids::Seq(book.size().saturating_sub(1));
    let is_gate = |gate: &crate::domain::keys::SigningIdentity| gate.id() == key.id();
    if !book
        .keys()
        .with_role(crate::domain::entry::Role::Gate, newest)
        .any(is_gate)
    {
        return Err("the key is not the gate's on this ledger; give the gate's private key".into());
    }
    Ok(Checkpoint::of(&book).sign(key))
}
