//! Gathering what doctor judges: each part by itself, so that one that can't be seen hides no other.

use std::path::PathBuf;

use indicatif::ProgressBar;

use crate::{
    cli::{Failure, door, scratch::Scratch},
    domain::{
        ids::{BranchName, Digest, ProposalId, Sha},
        observation::Seen,
        policy::policy_digest,
        proposal::branch_of,
        protection::{Change, Demands, LedgerSight, Sight},
    },
    github::{GitHub, Look, Watcher},
    ledger::{Mirror, Step, kept_head, walk},
    service::{LEDGER_BRANCH, connect, git_token},
    settings::Site,
};

/// Somebody who looks around one repository.
pub(super) struct Doctor {
    github: GitHub,
    watcher: Option<Watcher>,
    remote: String,
    genesis: Option<Digest>,
    /// Where a bot of this machine keeps the newest head of the ledger.
    kept_in: Option<PathBuf>,
    app: u64,
}

/// What Git shows of the ledger.
struct Record {
    base: BranchName,
    sight: LedgerSight,
}

impl Doctor {
    pub(super) fn new(site: &Site) -> Result<Self, Failure> {
        let (github, watcher) = connect(site).map_err(Failure::new)?;
        Ok(Self {
            github,
            watcher,
            remote: site.remote(),
            genesis: site.genesis(),
            kept_in: site.data_dir().map(|data| data.join("ledger")),
            app: site.app_id(),
        })
    }

    /// Looks at everything. Errors: GitHub can't be asked at all.
    pub(super) async fn look(&self) -> Result<(Sight, Demands), Failure> {
        let bar = ProgressBar::new_spinner();
        bar.enable_steady_tick(std::time::Duration::from_millis(120));
        bar.set_message("reading the ledger and the rules in force");
        let ledger: BranchName = LEDGER_BRANCH.parse().map_err(Failure::new)?;
        let app = match self.github.app_sight().await.map_err(unable)? {
            Seen::Known(app) => Seen::Known(app),
            // Whoever is not let in sees nothing, and must not take that for findings.
            Seen::Unknown { because } => return Err(unable(because)),
        };
        let record = self.record(&ledger).await;
        let (base, record) = match record {
            Ok(record) => (record.base, Seen::Known(record.sight)),
            // Without a ledger nobody says which branch is the base; most begin so.
            Err(because) => ("main".parse().map_err(Failure::new)?, Seen::unknown(because)),
        };
        bar.set_message(format!("reading the rules of {base}, {ledger} and proposals"));
        let nobody: ProposalId = "0".repeat(26).parse().map_err(Failure::new)?;
        let like_a_proposal = branch_of(nobody).parse().map_err(Failure::new)?;
        let look = Look::Whole(self.watcher.as_ref());
        let branch = async |name: &BranchName| self.github.branch(name, look).await.map_err(unable);
        let sight = Sight {
            app,
            base: branch(&base).await?,
            ledger: branch(&ledger).await?,
            proposals: branch(&like_a_proposal).await?,
            repository: self
                .github
                .repository_sight(self.watcher.as_ref())
                .await
                .map_err(unable)?,
            skew: match self.github.skew(door::now()) {
                Some(skew) => Seen::Known(skew),
                None => Seen::unknown("GitHub sent no date"),
            },
            record,
        };
        bar.finish_and_clear();
        let demands = Demands {
            app: self.app,
            base,
            ledger,
        };
        Ok((sight, demands))
    }

    /// Makes changes, one after the other.
    pub(super) async fn fix(&self, wanted: &[Change]) -> Result<(), Failure> {
        let Some(watcher) = &self.watcher else {
            return Err(Failure::new("nothing was changed: the app administers nothing")
                .next("give a token that may administer the repository with `--watch-token-file FILE`"));
        };
        for change in wanted {
            watcher.apply(change).await.map_err(|error| {
                Failure::new(error)
                    .next("check that the watch token may administer the repository, and run it again")
            })?;
        }
        self.github.forget_bare();
        Ok(())
    }

    async fn record(&self, ledger: &BranchName) -> Result<Record, String> {
        let scratch = Scratch::new("doctor");
        let said = |error: &dyn std::fmt::Display| error.to_string();
        let mirror = Mirror::open(scratch.path(), self.remote.clone(), Some(git_token(&self.github)))
            .map_err(|error| said(&error))?;
        mirror
            .head_of(ledger)
            .await
            .map_err(|error| said(&error))?
            .ok_or_else(|| format!("there is no branch `{ledger}`"))?;
        let (dir, branch) = (scratch.path().to_owned(), ledger.clone());
        let read = tokio::task::spawn_blocking(move || read(&dir, &branch)).await;
        let (first, base, active, findings) = read.map_err(|error| said(&error))??;
        let (_, files) = mirror.policy_files(&base).await.map_err(|error| said(&error))?;
        let kept: Option<Sha> = match &self.kept_in {
            Some(dir) => kept_head(dir).map_err(|error| format!("the kept head of the ledger: {error}"))?,
            None => None,
        };
        let descends = match kept {
            Some(kept) => Some(mirror.holds(ledger, kept).await.map_err(|error| said(&error))?),
            None => None,
        };
        Ok(Record {
            base,
            sight: LedgerSight {
                active,
                base: policy_digest(&files),
                genesis: self.genesis.map(|genesis| genesis == first),
                descends,
                findings,
            },
        })
    }
}

/// The ledger's genesis digest, its base branch, the policy in force, and how much is no part of the record.
fn read(dir: &std::path::Path, branch: &BranchName) -> Result<(Digest, BranchName, Digest, usize), String> {
    let mut findings = 0;
    let each = |_: Option<&_>, step: Step<'_>| match step {
        Step::Recorded(_) => {}
        Step::Found(_) => findings += 1,
    };
    let walked = walk(dir, branch, None, each, |_, _| {}).map_err(|error| error.to_string())?;
    let book = walked
        .book
        .ok_or_else(|| format!("`{branch}` is there and is not a ledger"))?;
    Ok((
        book.genesis_digest(),
        book.genesis().base.clone(),
        book.policy(),
        findings,
    ))
}

fn unable(error: impl std::fmt::Display) -> Failure {
    Failure::new(error)
        .next("check app id, key, API address, and that the app is installed on the repository")
}
