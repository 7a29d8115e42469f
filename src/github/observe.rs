//! Looking at one pull request: everything `decide` needs, about one head, complete or said to be unknown.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    client::{GitHub, segment},
    co_author::co_authors,
    error::Error,
    protection::Guarded,
    shown::{self, shown_digest},
    watcher::Watcher,
    wire,
};
use crate::domain::{
    extent::Extent,
    ids::{AccountId, BranchName, Digest, Login, PullNumber, Seq, Sha, TeamName, Timestamp},
    observation::{Commit, LiveReview, Observation, Permission, Pull, PullState, ReviewState, Seen},
    policy::Owner,
    protection::CHECK,
    publish::{Asked, CheckShown, Conclusion, Published},
};

/// How often a pull request that moves while it is read is read again.
const ATTEMPTS: usize = 4;

/// What to look at.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The branch of the proposal.
    pub branch: BranchName,
    /// The branch it goes into, whose protection counts.
    pub base: BranchName,
    /// The ledger's branch, whose protection counts too. INVARIANT i31.
    pub ledger: BranchName,
    /// Who sees the bypass lists; nobody without one.
    pub watcher: Option<Watcher>,
    /// The organisation of the teams; `None` when the repository belongs to a person.
    pub organization: Option<String>,
    /// The owning teams.
    pub teams: Vec<TeamName>,
    /// Accounts whose permission matters; all reviewers' when `None`. Strangers can't then make an observation dear.
    pub accounts: Option<BTreeSet<AccountId>>,
    /// Accounts whose permission matters whether or not they reviewed, and their logins.
    pub also: BTreeMap<AccountId, Login>,
    /// max(local clock, last entry); GitHub's `Date` is added here. INVARIANT i30.
    pub now: Timestamp,
}

/// An observation, and what the pull request shows beside it.
#[derive(Debug, Clone)]
pub struct Seeing {
    observation: Observation,
    pull: Pull,
    asked: bool,
    /// Accounts that are asked now.
    requested: BTreeSet<AccountId>,
    /// Teams that are asked now, by their slugs.
    requested_teams: BTreeSet<String>,
    check: Option<CheckShown>,
    /// How far the ledger was when the check was written; none without a check.
    extent: Seen<Option<Extent>>,
    outcome: Option<String>,
    mergeable: Option<bool>,
}

impl Seeing {
    /// What was seen; its policy is unknown until [`Seeing::with_policy`].
    pub fn observation(&self) -> &Observation {
        &self.observation
    }
    /// What was seen, to be recorded.
    pub fn into_observation(self) -> Observation {
        self.observation
    }
    /// The pull request as it stands.
    pub fn pull(&self) -> &Pull {
        &self.pull
    }
    /// Adds by how much the local clock is ahead of GitHub's, in milliseconds. INVARIANT i30.
    #[must_use]
    pub fn with_skew(mut self, skew: Seen<i64>) -> Self {
        self.observation.skew = skew;
        self
    }
    /// Adds the freeze that stops it, which the ledger tells. INVARIANT i22.
    #[must_use]
    pub fn with_freeze(mut self, freeze: Option<Seq>) -> Self {
        self.observation.freeze = freeze;
        self
    }
    /// Adds the digest of `policies/` on the base branch, which comes from Git.
    #[must_use]
    pub fn with_policy(mut self, policy: Seen<Digest>) -> Self {
        self.observation.policy = policy;
        self
    }
    /// The check run of ours that it shows.
    pub fn check(&self) -> Option<&CheckShown> {
        self.check.as_ref()
    }
    /// How far the ledger was when that check was written, when it tells. INVARIANT i18.
    pub fn extent(&self) -> &Seen<Option<Extent>> {
        &self.extent
    }
    /// Whether GitHub could merge it; `None` while it computes that.
    pub fn mergeable(&self) -> Option<bool> {
        self.mergeable
    }
    /// What the pull request shows, in the terms of what is wanted: an outcome comment is the wanted one when it says
    /// so and nobody edited it.
    pub fn published(&self, wanted: &Published) -> Published {
        let outcome = self.outcome.as_ref().map(|comment| match wanted.outcome {
            Some(says) if shown::tells(comment, says) => says,
            Some(_) | None => Digest::of(comment.as_bytes()),
        });
        Published {
            further: self.unasked(&wanted.further, |_| true),
            pull: self.pull.number,
            open: self.pull.state == PullState::Open,
            title: self.pull.title,
            body: self.pull.body,
            check: self.check.clone(),
            asked: if self.asked {
                Asked::Somebody
            } else {
                Asked::Nobody
            },
            outcome,
            merged: matches!(self.pull.state, PullState::Merged { .. }),
        }
    }

    /// Those who said nothing about the head as it is now, when none of them is asked. Every new head asks anew.
    pub fn unasked_on_head(
        &self,
        owners: &BTreeMap<Owner, BTreeSet<AccountId>>,
    ) -> BTreeMap<Owner, BTreeSet<AccountId>> {
        self.unasked(owners, |review| review.commit == Some(self.pull.head))
    }

    /// Those who said nothing yet, when none of them is asked: asking again would only make noise. `told` is which
    /// reviews say something.
    fn unasked(
        &self,
        owners: &BTreeMap<Owner, BTreeSet<AccountId>>,
        told: impl Fn(&LiveReview) -> bool,
    ) -> BTreeMap<Owner, BTreeSet<AccountId>> {
        let reviews = self.observation.reviews.known();
        let answered = |account: &AccountId| {
            reviews.is_none_or(|reviews| {
                let mut theirs = reviews.iter().filter(|review| review.account == Some(*account));
                theirs.any(&told)
            })
        };
        let silent = owners
            .iter()
            .filter(|(_, accounts)| !accounts.iter().any(answered));
        let asked = |(owner, accounts): (&Owner, &BTreeSet<AccountId>)| match owner {
            Owner::Person(_) => !accounts.is_disjoint(&self.requested),
            Owner::Team(team) => self.requested_teams.contains(team.as_str()),
        };
        if silent.clone().any(asked) {
            BTreeMap::new()
        } else {
            silent
                .map(|(owner, accounts)| (owner.clone(), accounts.clone()))
                .collect()
        }
    }
}

impl GitHub {
    /// Looks at a pull request. The pull request is read again at the end; if it moved meanwhile, everything is. Facts
    /// that can't be had are `Unknown` with their reason.
    ///
    /// # Errors
    /// When the pull request itself can't be read, keeps moving, or GitHub answers nothing at all for now.
    pub async fn observe(&self, pull: PullNumber, ask: &Ask) -> Result<Seeing, Error> {
        let me = self.me().await?.account();
        let mut first = self.pull_now(pull).await?;
        for _ in 0..ATTEMPTS {
            let head = first.head.sha;
            let guarded = Box::pin(self.guarded(&ask.base, &ask.ledger, ask.watcher.as_ref()));
            let (commits, pushers, reviews, memberships, guarded, check, outcome) = futures::join!(
                self.commits(&first),
                self.pushers(&ask.branch, head),
                self.reviews(pull),
                self.memberships(ask),
                guarded,
                self.our_check(head),
                self.our_outcome(pull),
            );
            let reviews = seen(reviews)?;
            let permissions = self.permissions(reviews.known(), ask).await?;
            let last = self.pull_now(pull).await?;
            if !same(&first, &last) {
                first = last;
                continue;
            }
            // Whoever may have answered is not asked again.
            let answered = reviews
                .known()
                .is_none_or(|reviews| reviews.iter().any(|review| review.account != Some(me)));
            let any_requested = !last.requested_reviewers.is_empty() || !last.requested_teams.is_empty();
            let requested = last
                .requested_reviewers
                .iter()
                .filter_map(wire::Account::id)
                .collect();
            let requested_teams = last.requested_teams.iter().filter_map(|team| team.slug.clone());
            let requested_teams = requested_teams.collect();
            let stands = standing(&last)?;
            let at = self.clock().map_or(ask.now, |there| ask.now.max(there));
            let check = seen(check)?;
            let Guarded { base, ledger } = guarded?;
            let observation = Observation {
                at,
                me,
                policy: Seen::unknown("not read yet"),
                pull: Seen::Known(stands.clone()),
                commits: seen(commits)?,
                pushers: seen(pushers)?,
                reviews,
                permissions,
                memberships: memberships?,
                protection: base,
                ledger,
                app: self.app_id(),
                freeze: None,
                skew: Seen::unknown("not compared yet"),
            };
            return Ok(Seeing {
                observation,
                pull: stands,
                asked: any_requested || answered,
                requested,
                requested_teams,
                check: check.known().and_then(|run| shown_check(run.as_ref()?)),
                extent: match &check {
                    Seen::Known(run) => seen(told(run.as_ref()))?,
                    Seen::Unknown { because } => Seen::unknown(because.clone()),
                },
                outcome: known(outcome)?.flatten().map(|comment| comment.body),
                mergeable: last.mergeable,
            });
        }
        Err(Error::Moving { pull })
    }

    /// The newest change of a branch's head that GitHub reports. INVARIANT i06.
    ///
    /// # Errors
    /// When the activity can't be read, or there is none.
    pub async fn head_changed_at(&self, branch: &BranchName) -> Result<Timestamp, Error> {
        let path = self.activity_path(branch);
        let newest: Vec<wire::Activity> = self.get(&format!("{path}&per_page=10")).await?;
        newest
            .iter()
            .map(|activity| activity.timestamp)
            .max()
            .ok_or_else(|| Error::NotFound {
                doing: format!("GET {path}"),
                message: "no activity is reported for the branch".to_owned(),
            })
    }

    /// The check run of ours on a commit, as it is shown; none when there is none that is done.
    ///
    /// # Errors
    /// When it can't be read.
    pub async fn check_on(&self, head: Sha) -> Result<Option<CheckShown>, Error> {
        Ok(self.our_check(head).await?.and_then(|run| shown_check(&run)))
    }

    /// How far the ledger was when our check run on a commit was written; none when there is none, or it does not tell.
    ///
    /// # Errors
    /// When it can't be read. INVARIANT i18.
    pub async fn extent_on(&self, head: Sha) -> Result<Option<Extent>, Error> {
        told(self.our_check(head).await?.as_ref())
    }

    pub(super) async fn pull_now(&self, pull: PullNumber) -> Result<wire::Pull, Error> {
        self.get(&self.in_repo(&format!("/pulls/{pull}"))).await
    }

    fn activity_path(&self, branch: &BranchName) -> String {
        let reference = segment(&format!("refs/heads/{branch}"));
        self.in_repo(&format!("/activity?ref={reference}"))
    }

    /// All commits of base..head; GitHub lists 250 at most, so they are counted. INVARIANT i08.
    async fn commits(&self, pull: &wire::Pull) -> Result<Vec<Commit>, Error> {
        let path = self.in_repo(&format!("/pulls/{}/commits", pull.number));
        let listed: Vec<wire::Commit> = self.list(&path).await?;
        let short = |because: &str| Error::Truncated {
            doing: format!("GET {path}"),
            because: because.to_owned(),
        };
        if pull.commits != u64::try_from(listed.len()).ok() {
            return Err(short(
                "the pull request has another number of commits than are listed",
            ));
        }
        if listed.last().is_none_or(|last| last.sha != pull.head.sha) {
            return Err(short("the list does not end with the head"));
        }
        let noreply = self.noreply();
        Ok(listed
            .into_iter()
            .map(|commit| Commit {
                sha: commit.sha,
                parents: commit.parents.iter().map(|parent| parent.sha).collect(),
                author: wire::id_of(commit.author.as_ref()),
                committer: wire::id_of(commit.committer.as_ref()),
                co_authors: co_authors(&commit.commit.message, &noreply),
            })
            .collect())
    }

    /// Everybody who ever put a commit on the branch. INVARIANT i08.
    async fn pushers(&self, branch: &BranchName, head: Sha) -> Result<Vec<AccountId>, Error> {
        let path = self.activity_path(branch);
        let all: Vec<wire::Activity> = self.list(&path).await?;
        let unknown = |because: &str| Error::Malformed {
            doing: format!("GET {path}"),
            because: because.to_owned(),
        };
        if !all.iter().any(|activity| activity.after == head) {
            return Err(unknown("no activity tells how the branch came to its head"));
        }
        // Whoever deletes a branch, as many do after a merge, has no part in what was on it.
        let pushers: Option<BTreeSet<AccountId>> = all
            .iter()
            .filter(|activity| *activity.after.as_bytes() != [0; 20])
            .map(|activity| wire::id_of(activity.actor.as_ref()))
            .collect();
        pushers
            .map(|pushers| pushers.into_iter().collect())
            .ok_or_else(|| unknown("a push is not attributed to an account"))
    }

    async fn reviews(&self, pull: PullNumber) -> Result<Vec<LiveReview>, Error> {
        let path = self.in_repo(&format!("/pulls/{pull}/reviews"));
        let listed: Vec<wire::Review> = self.list(&path).await?;
        let mut reviews = Vec::new();
        for review in listed {
            if review.state.eq_ignore_ascii_case("pending") {
                continue;
            }
            let odd = |because: String| Error::Malformed {
                doing: format!("GET {path}"),
                because,
            };
            let state = review_state(&review.state).ok_or_else(|| {
                odd(format!(
                    "`{}` is no state of a review",
                    review.state.escape_debug()
                ))
            })?;
            let submitted_at = review
                .submitted_at
                .ok_or_else(|| odd(format!("review {} was never submitted", review.id)))?;
            reviews.push(LiveReview {
                id: review.id,
                account: wire::id_of(review.user.as_ref()),
                login: review.user.as_ref().and_then(wire::Account::login),
                human: review.user.as_ref().is_some_and(wire::Account::is_human),
                state,
                commit: review.commit_id,
                submitted_at,
            });
        }
        Ok(reviews)
    }

    /// What each person who decided something may do in the repository now. INVARIANT i09.
    async fn permissions(
        &self,
        reviews: Option<&Vec<LiveReview>>,
        ask: &Ask,
    ) -> Result<BTreeMap<AccountId, Seen<Permission>>, Error> {
        let also = ask.also.iter().map(|(account, login)| (*account, Some(login)));
        let mut people: BTreeMap<AccountId, Option<&Login>> = also.collect();
        for review in reviews.into_iter().flatten() {
            let decides = review.human && review.state != ReviewState::Commented;
            let account = review
                .account
                .filter(|id| decides && ask.accounts.as_ref().is_none_or(|wanted| wanted.contains(id)));
            if let Some(account) = account {
                people.insert(account, review.login.as_ref());
            }
        }
        let looked_up = people.into_iter().map(|(account, login)| async move {
            let permission = match login {
                Some(login) => self.permission(account, login).await,
                None => return Ok((account, Seen::unknown("the account has no login"))),
            };
            seen(permission).map(|permission| (account, permission))
        });
        futures::future::try_join_all(looked_up)
            .await
            .map(|all| all.into_iter().collect())
    }

    async fn permission(&self, account: AccountId, login: &Login) -> Result<Permission, Error> {
        let path = self.in_repo(&format!("/collaborators/{}/permission", segment(login.as_str())));
        let role: wire::Role = self.get(&path).await?;
        let odd = |because: &str| Error::Malformed {
            doing: format!("GET {path}"),
            because: because.to_owned(),
        };
        if wire::id_of(role.user.as_ref()) != Some(account) {
            return Err(odd("the login belongs to another account now"));
        }
        role.role_name
            .as_deref()
            .and_then(permission)
            .or_else(|| permission(&role.permission))
            .ok_or_else(|| odd("the permission has no name that is known"))
    }

    /// Active members of each team, those of child teams included; GitHub does not list pending ones here.
    async fn memberships(&self, ask: &Ask) -> Result<BTreeMap<TeamName, Seen<Vec<AccountId>>>, Error> {
        let looked_up = ask.teams.iter().map(|team| async move {
            let members = match &ask.organization {
                Some(organization) => self.members(organization, team).await,
                None => return Ok((team.clone(), Seen::unknown("the repository has no organisation"))),
            };
            seen(members).map(|members| (team.clone(), members))
        });
        futures::future::try_join_all(looked_up)
            .await
            .map(|all| all.into_iter().collect())
    }

    async fn members(&self, organization: &str, team: &TeamName) -> Result<Vec<AccountId>, Error> {
        let path = format!(
            "/orgs/{}/teams/{}/members",
            segment(organization),
            segment(team.as_str())
        );
        let members: Vec<wire::Account> = self.list(&path).await?;
        let ids: Option<BTreeSet<AccountId>> = members.iter().map(wire::Account::id).collect();
        ids.map(|ids| ids.into_iter().collect())
            .ok_or_else(|| Error::Malformed {
                doing: format!("GET {path}"),
                because: "a member has no id".to_owned(),
            })
    }

    /// The newest check run of ours on a head. INVARIANT i27.
    pub(super) async fn our_check(&self, head: Sha) -> Result<Option<wire::CheckRun>, Error> {
        let path = self.in_repo(&format!(
            "/commits/{head}/check-runs?check_name={CHECK}&filter=all&per_page=100"
        ));
        let runs: wire::CheckRuns = self.get(&path).await?;
        if u64::try_from(runs.check_runs.len()) != Ok(runs.total_count) {
            return Err(Error::Truncated {
                doing: format!("GET {path}"),
                because: format!("{} check runs have our name", runs.total_count),
            });
        }
        Ok(runs
            .check_runs
            .into_iter()
            .filter(|run| run.name == CHECK && run.head_sha == head)
            .filter(|run| run.app.as_ref().is_some_and(|app| app.id == self.app_id()))
            .max_by_key(|run| run.id))
    }

    /// Our newest comment that carries the outcome's mark.
    pub(super) async fn our_outcome(&self, pull: PullNumber) -> Result<Option<wire::Comment>, Error> {
        let comments = self.our_comments(pull).await?;
        Ok(comments
            .into_iter()
            .filter(|comment| shown::is_outcome(&comment.body))
            .max_by_key(|comment| comment.id))
    }

    pub(super) async fn our_comments(&self, pull: PullNumber) -> Result<Vec<wire::Comment>, Error> {
        let me = self.me().await?.account();
        let path = self.in_repo(&format!("/issues/{pull}/comments"));
        let mut comments: Vec<wire::Comment> = self.list(&path).await?;
        comments.retain(|comment| wire::id_of(comment.user.as_ref()) == Some(me));
        Ok(comments)
    }
}

/// A fact, or why it can't be had; what makes all facts unknowable is an error instead.
pub(super) fn seen<T>(read: Result<T, Error>) -> Result<Seen<T>, Error> {
    match read {
        Ok(fact) => Ok(Seen::Known(fact)),
        Err(error) if error.stops_everything() => Err(error),
        Err(error) => Ok(Seen::unknown(error.to_string())),
    }
}

/// As [`seen`], for what is shown: whoever changes it looks again first.
fn known<T>(read: Result<T, Error>) -> Result<Option<T>, Error> {
    match seen(read)? {
        Seen::Known(fact) => Ok(Some(fact)),
        Seen::Unknown { .. } => Ok(None),
    }
}

/// Whether two readings are about the same thing; the base branch may move meanwhile.
fn same(one: &wire::Pull, other: &wire::Pull) -> bool {
    one.head.sha == other.head.sha
        && one.state == other.state
        && one.merged_at == other.merged_at
        && one.draft == other.draft
        && one.base.name == other.base.name
        && one.title == other.title
        && one.body == other.body
        && one.commits == other.commits
}

/// The pull request, in the domain's words.
pub(super) fn standing(pull: &wire::Pull) -> Result<Pull, Error> {
    let odd = |because: String| Error::Malformed {
        doing: format!("GET pull request {}", pull.number),
        because,
    };
    let state = match (pull.state.as_str(), pull.merged_at) {
        (_, Some(at)) => PullState::Merged {
            at,
            by: wire::id_of(pull.merged_by.as_ref()),
            sha: pull.merge_commit_sha,
        },
        ("open", None) => PullState::Open,
        ("closed", None) => PullState::Closed,
        (other, None) => return Err(odd(format!("`{}` is no state", other.escape_debug()))),
    };
    Ok(Pull {
        number: pull.number,
        state,
        draft: pull.draft,
        head: pull.head.sha,
        base_ref: pull.base.name.parse().map_err(|error| odd(format!("{error}")))?,
        base: pull.base.sha,
        author: wire::id_of(pull.user.as_ref()),
        title: shown_digest(&pull.title),
        body: shown_digest(pull.body.as_deref().unwrap_or_default()),
    })
}

/// A completed run of ours in the domain's words; one that is not, or concludes otherwise, is as good as none.
fn shown_check(run: &wire::CheckRun) -> Option<CheckShown> {
    let conclusion = match run.conclusion.as_deref()? {
        "success" => Conclusion::Success,
        "failure" => Conclusion::Failure,
        "action_required" => Conclusion::ActionRequired,
        _ => return None,
    };
    (run.status == "completed").then_some(CheckShown {
        head: run.head_sha,
        conclusion,
        says: shown::said_by_check(run.external_id.as_deref()?)?,
    })
}

fn told(run: Option<&wire::CheckRun>) -> Result<Option<Extent>, Error> {
    let id = run.and_then(|run| run.external_id.as_deref()).unwrap_or_default();
    shown::extent_of_check(id).map_err(|error| Error::Malformed {
        doing: "GET check-runs".to_owned(),
        because: error.to_string(),
    })
}

pub(super) fn review_state(text: &str) -> Option<ReviewState> {
    match text.to_ascii_lowercase().as_str() {
        "approved" => Some(ReviewState::Approved),
        "changes_requested" => Some(ReviewState::ChangesRequested),
        "commented" => Some(ReviewState::Commented),
        "dismissed" => Some(ReviewState::Dismissed),
        _ => None,
    }
}

fn permission(name: &str) -> Option<Permission> {
    match name {
        "none" => Some(Permission::None),
        "read" => Some(Permission::Read),
        "triage" => Some(Permission::Triage),
        "write" => Some(Permission::Write),
        "maintain" => Some(Permission::Maintain),
        "admin" => Some(Permission::Admin),
        _ => None,
    }
}
