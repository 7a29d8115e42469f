//! The one place where the adapters meet: hint, observe, record, decide, publish, execute.

mod acting;
mod again;
mod alarm;
mod amend;
mod apart;
mod assemble;
mod callback;
mod channel;
mod command;
mod correct;
mod credentials;
mod erase;
mod execute;
mod group;
mod guards;
mod heard;
mod in_force;
mod inbox;
mod limits;
mod look;
mod low;
mod open;
mod receive;
mod record;
mod result;
mod rollback;
mod status;
mod stop;
mod stray;
mod together;
mod told;
mod witness;
mod workflow;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use secrecy::SecretString;
use tokio::sync::watch;

pub use assemble::{AssembleError, LEDGER_BRANCH, assemble, connect, git_token, ledger_dir};
pub use receive::{Approvers, Preview, Receipt};
pub use result::{Bytes, ItemResult, ProposalResult};
pub use status::{Status, View};
pub use told::Told;

use super::{problem::Problem, redelivery::Redelivery, stopping::Stopping, subject::Subject};
use crate::{
    domain::{
        audit::Recorded,
        book::{Illegal, StageError},
        case::Case,
        due::due,
        entry::{Draft, Watched},
        ids::{AgentName, Digest, InstanceId, ProposalId, PullNumber, Sha, Timestamp},
        observation::Seen,
        policy::{Policy, Tier, compile},
    },
    github::{GitHub, Hint, Watcher, tallied},
    ledger::{AppendError, Ledger, Mirror},
    settings::{Gate, Role, Settings},
    store::{CredentialKeys, Lease, Store},
};

/// Ended proposals that one sweep looks at because this process did not see their pull requests show the end.
const UNSHOWN: usize = 16;

/// Gives the time; tests bring their own.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What a bot is made of.
pub struct Parts {
    /// The signed ledger.
    pub ledger: Ledger,
    /// The Git mirror.
    pub mirror: Mirror,
    /// GitHub.
    pub github: GitHub,
    /// Who sees the bypass lists, where the operator gave a credential for that.
    pub watcher: Option<Watcher>,
    /// This machine's own state.
    pub store: Store,
    /// The executor's HTTP client.
    pub client: crate::execute::Client,
    /// What credentials are signed with; nothing in a process that does not execute.
    pub credential_keys: Option<Arc<CredentialKeys>>,
    /// How the executor starts programs.
    pub commands: crate::execute::Commands,
    /// This process.
    pub instance: InstanceId,
    /// The time.
    pub clock: Clock,
    /// What the operator decided.
    pub settings: Arc<Settings>,
}

/// The running bot; cheap to clone.
#[derive(Clone)]
pub struct Bot {
    inner: Arc<Inner>,
    /// What it works on by right of, when a worker has it.
    lease: Option<Arc<Lease>>,
}

struct Inner {
    parts: Parts,
    policy: RwLock<Option<Arc<Policy>>>,
    changes: watch::Sender<u64>,
    stopping: Stopping,
    redelivery: tokio::sync::Mutex<Redelivery>,
    tasks: super::tasks::Tasks,
    recording: super::tasks::Tasks,
    acting: Mutex<BTreeSet<ProposalId>>,
    shown: Mutex<BTreeSet<ProposalId>>,
    arrivals: again::Arrivals,
    /// Held while the rules change, and shared while something runs that is recorded afterwards.
    rules: tokio::sync::RwLock<()>,
    /// Held while a change of the rules is looked at.
    amending: tokio::sync::Mutex<()>,
    /// Pull requests that leave the rules alone, as they stood.
    beside: Mutex<BTreeMap<PullNumber, (Sha, bool)>>,
    /// The rules that were looked at last in a pull request, and its head.
    brought: Mutex<Option<(Sha, Arc<amend::Brings>)>>,
    /// Why the rules on the base branch are not in force.
    stray: Mutex<Option<String>>,
    counting: limits::Counting,
    /// How base branch and ledger were protected when that was looked at last.
    watched: Mutex<Option<Watched>>,
    /// Made when the first alarm is given.
    alarms: tokio::sync::OnceCell<reqwest::Client>,
    /// Erased proposals of which this process has seen that nothing is kept.
    destroyed: Mutex<BTreeSet<ProposalId>>,
    apart: apart::Apart,
    /// The digest of the rules on the base branch.
    base: together::Together<Seen<Digest>>,
    workflows: workflow::OfWorkflows,
    /// Derived when the first callback is sent.
    callback_key: std::sync::OnceLock<crate::execute::CallbackKey>,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts")
            .field("instance", &self.instance)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Bot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bot")
            .field("instance", &self.inner.parts.instance)
            .finish_non_exhaustive()
    }
}

/// Something could not be done now; it is tried again, and no gate opened.
#[derive(Debug, thiserror::Error)]
pub enum NotNow {
    /// GitHub.
    #[error("GitHub: {0}")]
    GitHub(#[from] crate::github::Error),
    /// Git.
    #[error("git: {0}")]
    Git(#[from] crate::ledger::MirrorError),
    /// A merge in Git.
    #[error("git: {0}")]
    Merge(#[from] crate::ledger::MergeReadError),
    /// The ledger.
    #[error("ledger: {0}")]
    Ledger(#[from] AppendError),
    /// Reading the ledger.
    #[error("ledger: {0}")]
    LedgerRead(#[from] crate::ledger::LedgerError),
    /// Rendering.
    #[error("rendering: {0}")]
    Render(#[from] crate::render::RenderError),
    /// What is kept beside the ledger.
    #[error("store: {0}")]
    Store(#[from] crate::store::StoreError),
    /// Somebody else works on it by now.
    #[error("the lease ran out and somebody else works on it; nothing was published")]
    Lost,
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl NotNow {
    pub(super) fn because(why: &str) -> Self {
        Self::Other(why.to_owned())
    }
    pub(super) fn internal(error: impl std::fmt::Display) -> Self {
        Self::Other(error.to_string())
    }
    pub(super) fn into_problem(self) -> Problem {
        match self {
            Self::Ledger(AppendError::Refused(StageError::Illegal(illegal))) => match illegal {
                Illegal::Pending { .. } => Problem::too_many(illegal.to_string()),
                _ => Problem::conflict(illegal.to_string()),
            },
            other => Problem::unavailable(other.to_string()),
        }
    }
}

impl Bot {
    /// Puts the parts together; nothing runs yet.
    pub fn new(parts: Parts) -> Self {
        let (changes, _) = watch::channel(0);
        let inner = Inner {
            parts,
            policy: RwLock::new(None),
            changes,
            stopping: Stopping::default(),
            redelivery: tokio::sync::Mutex::default(),
            tasks: super::tasks::Tasks::default(),
            recording: super::tasks::Tasks::default(),
            acting: Mutex::default(),
            shown: Mutex::default(),
            arrivals: again::Arrivals::default(),
            rules: tokio::sync::RwLock::default(),
            amending: tokio::sync::Mutex::default(),
            beside: Mutex::default(),
            brought: Mutex::default(),
            stray: Mutex::default(),
            counting: limits::Counting::default(),
            watched: Mutex::default(),
            alarms: tokio::sync::OnceCell::new(),
            destroyed: Mutex::default(),
            apart: apart::Apart::default(),
            base: together::Together::default(),
            workflows: workflow::OfWorkflows::default(),
            callback_key: std::sync::OnceLock::new(),
        };
        Self {
            inner: Arc::new(inner),
            lease: None,
        }
    }

    /// The bot as somebody who works on a subject as long as the lease holds.
    pub(super) fn under(&self, lease: Lease) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            lease: Some(Arc::new(lease)),
        }
    }

    pub fn ledger(&self) -> &Ledger {
        &self.inner.parts.ledger
    }
    pub(super) fn mirror(&self) -> &Mirror {
        &self.inner.parts.mirror
    }
    pub(super) fn github(&self) -> &GitHub {
        &self.inner.parts.github
    }
    /// GitHub, to write to: who lost the right to a subject publishes nothing about it. Renewed here, so that nobody else
    /// begins while this is on its way.
    pub(super) async fn publishing(&self) -> Result<&GitHub, NotNow> {
        if let Some(lease) = &self.lease
            && !self.store().inbox().renew(lease, self.now()).await?
        {
            return Err(NotNow::Lost);
        }
        Ok(self.github())
    }
    /// What is kept beside the ledger.
    pub fn store(&self) -> &Store {
        &self.inner.parts.store
    }
    fn programs(&self) -> &crate::execute::Commands {
        &self.inner.parts.commands
    }
    fn client(&self) -> &crate::execute::Client {
        &self.inner.parts.client
    }
    /// Whether this process carries out what was approved.
    pub(super) fn executes(&self) -> bool {
        self.inner.parts.settings.executor_key().is_some()
    }
    /// The roles that this process plays.
    pub fn role(&self) -> Role {
        self.inner.parts.settings.role()
    }
    /// What this process has as a gate; nothing when it only executes.
    pub(super) fn gate(&self) -> Option<&Gate> {
        self.inner.parts.settings.gate()
    }
    /// Whether this process executes what another one's gate let through, and believes nothing that it says.
    pub(super) fn is_apart(&self) -> bool {
        self.gate().is_none()
    }
    pub(super) fn instance(&self) -> &InstanceId {
        &self.inner.parts.instance
    }
    fn clock(&self) -> Clock {
        Arc::clone(&self.inner.parts.clock)
    }
    pub(super) fn agent_secret(&self, agent: &AgentName) -> Option<&SecretString> {
        self.inner.parts.settings.agent_secret(agent)
    }
    /// How many entries the ledger holds.
    pub fn ledger_size(&self) -> u64 {
        self.ledger().read(|book| book.size())
    }
    /// Finishes what the ledger's writer and the store's have begun, and lets go of them and of the data directory.
    pub async fn close(&self) {
        self.ledger().close().await;
        if let Err(error) = self.store().instances().end(self.instance()).await {
            tracing::warn!(%error, "other processes learn in two minutes that this one is gone");
        }
        if let Err(error) = self.store().release().await {
            tracing::warn!(%error, "the data directory stays locked until the process ends");
        }
    }
    /// What was asked of GitHub to be delivered again.
    pub(super) fn redelivery(&self) -> &tokio::sync::Mutex<Redelivery> {
        &self.inner.redelivery
    }
    /// Whether the process ends.
    pub fn stopping(&self) -> &Stopping {
        &self.inner.stopping
    }
    /// Work that is under way: looks, sweep.
    pub fn tasks(&self) -> &super::tasks::Tasks {
        &self.inner.tasks
    }
    /// What is recorded beside the looks: low-tier executions.
    pub fn recording(&self) -> &super::tasks::Tasks {
        &self.inner.recording
    }
    /// Rings after every append of this process.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changes.subscribe()
    }

    /// max(local clock, GitHub's `Date`, last entry). INVARIANT i30.
    pub(super) fn now(&self) -> Timestamp {
        let local = (self.inner.parts.clock)();
        let entry = self.ledger().read(|book| book.time());
        local.max(entry).max(self.github().clock().unwrap_or(local))
    }

    fn case(&self, id: ProposalId) -> Option<Case> {
        self.ledger().read(|book| book.case(id).cloned())
    }

    fn is_of_this_machine(&self, instance: &InstanceId) -> bool {
        let machine = |instance: &InstanceId| {
            instance
                .as_str()
                .split_once('.')
                .map(|(machine, _)| machine.to_owned())
        };
        machine(instance) == machine(self.instance())
    }

    async fn append(&self, drafts: Vec<Draft>) -> Result<(), NotNow> {
        self.record(drafts).await.map(|_| ())
    }

    async fn record(&self, drafts: Vec<Draft>) -> Result<Vec<Recorded>, NotNow> {
        let drafts = drafts.into_iter().map(|draft| Draft {
            time: self.written(draft.time),
            ..draft
        });
        let recorded = self.ledger().append(drafts.collect()).await?;
        self.told_of(&recorded).await;
        self.inner
            .changes
            .send_modify(|count| *count = count.wrapping_add(1));
        Ok(recorded)
    }

    /// Appends what must not be lost: tries again while the remote can't be reached.
    async fn append_surely(&self, drafts: Vec<Draft>) -> Result<(), NotNow> {
        let mut wait = std::time::Duration::from_millis(200);
        loop {
            match self.append(drafts.clone()).await {
                Err(NotNow::Ledger(error))
                    if !matches!(error, AppendError::Refused(_) | AppendError::NoKey(_))
                        && !self.stopping().has_begun() =>
                {
                    tracing::error!(%error, "an execution's end is not recorded yet; trying again");
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(std::time::Duration::from_secs(30));
                }
                other => return other,
            }
        }
    }

    fn known(&self) -> Option<Arc<Policy>> {
        self.inner
            .policy
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn keep(&self, policy: Policy) {
        *self.inner.policy.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(policy));
    }

    /// The policy in force, whatever the base branch holds now.
    pub(super) async fn policy_known(&self) -> Result<Arc<Policy>, NotNow> {
        let active = self.ledger().read(|book| book.policy());
        if let Some(known) = self.known().filter(|known| known.digest() == active) {
            return Ok(known);
        }
        let base = self.ledger().read(|book| book.genesis().base.clone());
        let files = self.mirror().policy_of_digest(&base, active).await?;
        let files =
            files.ok_or_else(|| NotNow::because("the policy in force is nowhere on the base branch"))?;
        let policy = compile(&files)
            .map_err(|errors| NotNow::Other(format!("{} errors in policies/", errors.len())))?;
        self.keep(policy);
        self.known()
            .ok_or_else(|| NotNow::because("the policy in force is not known"))
    }
}

impl Bot {
    /// One turn for what this worker has the lease of, with what was heard of it.
    pub(super) async fn turn(&self, hints: &[String]) -> Result<(), NotNow> {
        let Some(lease) = &self.lease else { return Ok(()) };
        let subject = lease.subject().parse().map_err(NotNow::internal)?;
        let hints: Result<Vec<Hint>, _> = hints.iter().map(|hint| serde_json::from_str(hint)).collect();
        let hints = hints.map_err(NotNow::internal)?;
        match subject {
            Subject::Pull(pull) => {
                let told: Vec<Told> = hints.into_iter().filter_map(Told::of).collect();
                let (looked, asked) = tallied(self.look(pull, &told)).await;
                #[allow(clippy::cast_precision_loss, reason = "a measurement of a few dozen")]
                metrics::histogram!("countersign_github_requests_per_evaluation")
                    .record(asked.counted as f64);
                looked
            }
            Subject::Base => {
                let looked = self.look_at_base().await;
                self.look_at_all().await?;
                looked
            }
            Subject::Ledger => {
                self.ledger().refresh().await?;
                self.owe_all().await
            }
            Subject::Protection => {
                let looked = self.look_at_protection().await;
                self.look_at_all().await?;
                looked
            }
            Subject::Groups => self.look_at_groups(&hints).await,
            Subject::All => self.look_at_all().await,
            Subject::Run {
                repository,
                run,
                environment,
            } => self.look_at_run(&repository, run, &environment).await,
            Subject::Tell(channel) => self.tell(channel).await,
        }
    }

    /// Has pull requests looked at (again).
    pub(super) async fn look_again(&self, pulls: impl IntoIterator<Item = PullNumber>) -> Result<(), NotNow> {
        let subjects: Vec<String> = pulls
            .into_iter()
            .map(|pull| Subject::Pull(pull).to_string())
            .collect();
        Ok(self.store().inbox().look_again(subjects, self.now()).await?)
    }

    /// Has every open pull request of a proposal looked at.
    pub(super) async fn look_at_all(&self) -> Result<(), NotNow> {
        let pulls: Vec<PullNumber> = self.ledger().read(|book| {
            book.cases()
                .filter_map(|(_, case)| case.opened.as_ref())
                .map(|opened| opened.pull)
                .collect()
        });
        self.look_again(pulls).await
    }

    /// What a sweep does before it looks at every pull request. One thing that can't be done now keeps no other from
    /// being done.
    pub(super) async fn catch_up(&self) -> Result<(), NotNow> {
        self.ledger().refresh().await?;
        let mut failed = Box::pin(self.watch()).await.err();
        if self.executes() {
            failed = self.recover_low().await.err().or(failed);
            failed = self.recover().await.err().or(failed);
        }
        failed = self.destroy_erased().await.err().or(failed);
        if self.is_apart() {
            return failed.map_or(Ok(()), Err);
        }
        if self.executes() {
            failed = self.resume_low().await.err().or(failed);
        }
        failed = self.owe_all().await.err().or(failed);
        failed = self.look_at_base().await.err().or(failed);
        failed = self.unopened().await.err().or(failed);
        failed = self.look_at_unshown().await.err().or(failed);
        failed = self.look_at_others().await.err().or(failed);
        failed.map_or(Ok(()), Err)
    }

    /// Lets what was received expire, or opens it.
    async fn unopened(&self) -> Result<(), NotNow> {
        if let Some(wrong) = self.wrong_clock().await {
            return Err(NotNow::Other(wrong));
        }
        let policy = self.policy_known().await?;
        let cases: Vec<Case> = self.ledger().read(|book| {
            let all = book.cases().map(|(_, case)| case);
            all.filter(|case| case.opened.is_none()).cloned().collect()
        });
        let mut failed = None;
        for case in cases {
            let drafts = due(&case, &policy, self.now());
            let done = match (drafts.is_empty(), case.tier()) {
                (false, _) => self.append(drafts).await,
                (true, Tier::Low) => Ok(()),
                (true, Tier::Medium | Tier::High) => self.open(case.proposal.id).await,
            };
            if let Err(error) = done {
                tracing::warn!(proposal = %case.proposal.id, %error, "received, not opened yet; the next sweep tries again");
                failed = Some(error);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Looks at open pull requests that are not, or not any more, of an open proposal.
    async fn look_at_others(&self) -> Result<(), NotNow> {
        let pulls = self.github().open_pulls().await?;
        let others: Vec<PullNumber> = self.ledger().read(|book| {
            let open = |pull| book.by_pull(pull).is_some_and(|id| book.case(id).is_some());
            let numbers = pulls.iter().map(|pull| pull.number);
            numbers.filter(|pull| !open(*pull)).collect()
        });
        self.look_again(others).await
    }

    /// Looks at proposals that ended and whose pull request this process never saw to show it.
    async fn look_at_unshown(&self) -> Result<(), NotNow> {
        let unshown: Vec<PullNumber> = {
            let mut shown = self.inner.shown.lock().unwrap_or_else(PoisonError::into_inner);
            self.ledger().read(|book| {
                shown.retain(|id| book.recent(*id).is_some());
                let ended = book.recently_ended();
                let unshown = ended.filter(|case| !shown.contains(&case.proposal.id));
                let opened = unshown.filter_map(|case| case.opened.as_ref());
                opened.map(|opened| opened.pull).take(UNSHOWN).collect()
            })
        };
        self.look_again(unshown).await
    }

    /// An ended proposal's pull request shows how it ended.
    fn shown(&self, id: ProposalId) {
        let mut shown = self.inner.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.insert(id);
    }
}
