//! A recorded proposal: its facts from the ledger, and the rules that the ledger says are in force.

use std::path::{Path, PathBuf};

use miette::miette;

use super::{Failure, load};
use crate::{
    domain::{
        audit::Finding,
        book::Book,
        facts::{Facts, Gather},
        ids::{BranchName, Digest, ProposalId},
        policy::Policy,
    },
    ledger::{Step, policy_files, walk},
};

/// Where recorded proposals are.
#[derive(Debug, clap::Args)]
pub(super) struct Past {
    /// PROPOSAL is the id of a recorded one: a clone or a bare repository with the ledger's branch
    #[arg(long, value_name = "REPO", requires = "proposal")]
    ledger: Option<PathBuf>,
    /// The ledger's branch
    #[arg(long, default_value = "ledger", requires = "ledger")]
    branch: BranchName,
    /// The digest that the ledger must begin with
    #[arg(long, value_name = "DIGEST", env = "COUNTERSIGN_GENESIS")]
    genesis: Option<Digest>,
}

/// A proposal that was found on a ledger.
#[derive(Debug)]
pub(super) struct Found {
    /// As they stood when it was last observed.
    pub(super) facts: Facts,
    /// The digest of the rules in force at the ledger's end.
    pub(super) in_force: Digest,
    /// How much on the branch is not part of the record.
    pub(super) findings: u64,
}

impl Past {
    /// The repository, when a recorded proposal is asked about.
    pub(super) fn repo(&self) -> Option<&Path> {
        self.ledger.as_deref()
    }

    /// Reads the ledger for one proposal.
    pub(super) fn find(&self, repo: &Path, id: ProposalId) -> Result<Found, Failure> {
        let mut gather = Gather::default();
        let (mut facts, mut findings, mut first) = (None, 0, None);
        let each = |book: Option<&Book>, step: Step<'_>| match (book, step) {
            (Some(book), Step::Recorded(recorded)) => {
                let ended = gather.next(book, recorded);
                if let Some(ended) = ended.filter(|ended| ended.id() == Some(id)) {
                    facts = Some(ended);
                }
            }
            (None, Step::Recorded(_)) => {}
            (_, Step::Found(finding)) => {
                findings += 1;
                first.get_or_insert(finding);
            }
        };
        let walked = walk(repo, &self.branch, self.genesis, each, |_, _| {});
        let walked = walked.map_err(|error| failure(&error.to_string(), None))?;
        let Some(book) = walked.book else {
            return Err(self.no_ledger(first.as_ref()));
        };
        let open = || gather.rest(&book).into_iter().find(|open| open.id() == Some(id));
        let Some(facts) = facts.or_else(open) else {
            let message = format!("proposal {id} is not on `{}`", self.branch);
            let help = format!("`countersign audit log {}` lists all", repo.display());
            return Err(failure(&message, Some(&help)));
        };
        Ok(Found {
            facts,
            in_force: book.policy(),
            findings,
        })
    }

    fn no_ledger(&self, finding: Option<&Finding>) -> Failure {
        let why = finding.map_or_else(String::new, |finding| format!(": {finding}"));
        let message = format!("`{}` does not begin as a ledger must{why}", self.branch);
        let help = "name the ledger's branch with `--branch`, and the digest that `countersign init` printed";
        failure(&message, Some(help))
    }

    /// The rules in force, from whichever branch of the repository holds them.
    pub(super) fn in_force(&self, repo: &Path, digest: Digest) -> Result<Policy, Failure> {
        let files = policy_files(repo, &self.branch, digest);
        let files = files.map_err(|error| failure(&error.to_string(), None))?;
        let Some(files) = files else {
            let message = format!(
                "no branch of `{}` holds the rules in force ({digest})",
                repo.display()
            );
            let help = "fetch the base branch, or name other rules with `--policies DIR`";
            return Err(failure(&message, Some(help)));
        };
        load::compiled(Path::new(load::FOLDER), &files)
    }
}

/// A proposal's id, as it stands where a file's name would.
pub(super) fn id(text: &Path) -> Result<ProposalId, Failure> {
    let parsed = text.to_string_lossy().parse::<ProposalId>();
    let help = "with `--ledger`, name a proposal by its id; `countersign audit log` lists them";
    parsed.map_err(|error| failure(&error.to_string(), Some(help)))
}

fn failure(message: &str, help: Option<&str>) -> Failure {
    Failure::Files(vec![match help {
        Some(help) => miette!(help = help.to_owned(), "{message}"),
        None => miette!("{message}"),
    }])
}
