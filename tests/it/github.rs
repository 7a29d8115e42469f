//! The client against the sandbox: what it sees, what it changes, and what it does when GitHub falters.
use std::collections::BTreeMap;
use std::time::Duration;

use countersign::{
    domain::{
        ids::{AccountId, Digest, PersonName, PullNumber, Sha, TeamName, Timestamp},
        observation::{Permission, PullState, ReviewState, Seen},
        policy::Owner,
        publish::{Asked, CheckShown, Conclusion, Effect, Published},
    },
    github::{Applied, Ask, Config, Error, GitHub, MergeText, Seeing, Texts, parse, shown_digest},
    sandbox::{AppSpec, Failure, Fault},
};
use reqwest::Method;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use crate::contract::{assert_described, packages};
use crate::sandbox::{REPO, World};

const BRANCH: &str = "proposals/01";

/// The sandbox's world, and the bot's client in it.
struct Room {
    world: World,
    bot: GitHub,
}

impl Room {
    fn new() -> Self {
        let world = World::new();
        let bot = connect(&world);
        Self { world, bot }
    }

    /// The bot's one commit on the proposal's branch.
    async fn propose(&self) -> Sha {
        let token = self.world.token();
        let main = self.world.sandbox.branch_head(REPO, "main").unwrap();
        let reference = json!({ "ref": format!("refs/heads/{BRANCH}"), "sha": main });
        let (status, _) = self
            .world
            .post(&token, &format!("/repos/{REPO}/git/refs"), reference)
            .await;
        assert_eq!(status, 201);
        let file = json!({ "message": "Propose", "content": "YTogMQo=", "branch": BRANCH });
        let path = format!("/repos/{REPO}/contents/proposals/01/proposal.yaml");
        let (status, _, _) = self.world.send(Method::PUT, &token, &path, file).await;
        assert_eq!(status, 201);
        self.head()
    }

    fn head(&self) -> Sha {
        self.world
            .sandbox
            .branch_head(REPO, BRANCH)
            .unwrap()
            .parse()
            .unwrap()
    }

    async fn open(&self) -> PullNumber {
        self.propose().await;
        self.try_open().await.unwrap()
    }

    async fn try_open(&self) -> Result<PullNumber, Error> {
        let (head, base) = (BRANCH.parse().unwrap(), "main".parse().unwrap());
        self.bot.open_pull(&head, &base, "Pay ACME", "One\nTwo\n").await
    }

    async fn see(&self, pull: PullNumber) -> Seeing {
        self.bot.observe(pull, &ask()).await.unwrap()
    }

    async fn apply(&self, pull: PullNumber, effect: Effect) -> Result<Applied, Error> {
        self.bot.apply(pull, &effect, &texts(), &people()).await
    }

    fn fault(&self, method: &str, path: &str, failure: Failure, times: usize) {
        let fault = Fault {
            times,
            ..Fault::once(method, path, failure)
        };
        self.world.sandbox.fault(fault);
    }

    fn id(&self, login: &str) -> AccountId {
        AccountId(self.world.sandbox.user_id(login).unwrap())
    }

    /// Requests so far as `METHOD path status`.
    fn asked(&self, method: &str, ends: &str) -> Vec<u16> {
        let all = self.world.sandbox.requests().into_iter();
        all.filter(|one| one.method == method && one.path.ends_with(ends))
            .map(|one| one.status)
            .collect()
    }

    fn pulls(&self) -> usize {
        self.world.sandbox.pulls(REPO).unwrap().len()
    }
}

/// Whatever the client asked must be what GitHub describes.
impl Drop for Room {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_described(&self.world.sandbox.requests());
        }
    }
}

fn connect(world: &World) -> GitHub {
    GitHub::connect(Config {
        api: world.sandbox.api_url().parse().unwrap(),
        app_id: world.app.id,
        private_key_pem: SecretString::from(world.app.private_key_pem.clone()),
        repo: REPO.parse().unwrap(),
    })
    .unwrap()
}

fn ask() -> Ask {
    Ask {
        branch: BRANCH.parse().unwrap(),
        base: "main".parse().unwrap(),
        ledger: "ledger".parse().unwrap(),
        watcher: None,
        organization: Some("acme".to_owned()),
        teams: vec!["finance".parse().unwrap()],
        accounts: None,
        also: Default::default(),
        now: Timestamp::from_millis(0),
    }
}

fn texts() -> Texts {
    Texts {
        title: "Pay ACME".to_owned(),
        body: "One\nTwo\n".to_owned(),
        check_title: "1 approval missing".to_owned(),
        check_summary: "alice or bob".to_owned(),
        annotations: Vec::new(),
        outcome: "Paid.".to_owned(),
        extent: None,
        merge: Some(MergeText {
            title: "Pay ACME (approved by alice)".to_owned(),
            message: "one of one".to_owned(),
        }),
    }
}

fn people() -> BTreeMap<PersonName, countersign::domain::ids::Login> {
    ["alice", "bob", "countersign"]
        .map(|name| {
            let login = if name == "countersign" {
                "countersign[bot]"
            } else {
                name
            };
            (name.parse().unwrap(), login.parse().unwrap())
        })
        .into()
}

fn person(name: &str) -> Owner {
    Owner::Person(name.parse().unwrap())
}

fn check(room: &Room, conclusion: Conclusion) -> CheckShown {
    CheckShown {
        head: room.head(),
        conclusion,
        says: Digest::of(conclusion.as_str().as_bytes()),
    }
}

#[test]
fn i24_every_example_of_githubs_is_read() {
    let Some(packages) = packages() else { return };
    let file = packages.join("node_modules/@octokit/webhooks-examples/api.github.com/index.json");
    let events: Vec<Value> = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let mut read = 0;
    for event in &events {
        for example in event["examples"].as_array().unwrap() {
            let raw = serde_json::to_vec(example).unwrap();
            let hint = parse(event["name"].as_str().unwrap(), "d-1".parse().unwrap(), &raw).unwrap();
            let about = example["repository"]["full_name"].as_str();
            assert!(
                hint.repo().is_none_or(|repo| Some(repo.as_str()) == about),
                "{hint:?}"
            );
            read += 1;
        }
    }
    assert_eq!(read, 329);
}

#[tokio::test]
async fn i19_one_narrow_token_serves_many_calls_and_is_renewed_when_refused() {
    let room = Room::new();
    let me = room.bot.me().await.unwrap().clone();
    assert_eq!(me.account(), AccountId(room.world.app.bot_id));
    assert_eq!(me.login().as_str(), "countersign[bot]");
    assert_eq!(
        me.email(),
        format!("{}+countersign[bot]@users.noreply.github.com", me.account())
    );
    let first = room.bot.token().await.unwrap();
    room.bot.open_pulls().await.unwrap();
    assert_eq!(room.asked("POST", "/access_tokens"), [201]);
    let minted = room.world.sandbox.requests();
    let minted = minted
        .iter()
        .find(|one| one.path.ends_with("/access_tokens"))
        .unwrap();
    assert_eq!(
        minted.request,
        json!({
            "repositories": ["ops"],
            "permissions": {
                "metadata": "read", "contents": "write", "pull_requests": "write", "checks": "write",
                "issues": "write", "members": "read", "administration": "read",
            },
        })
    );
    let revoke = room.world.send(
        Method::DELETE,
        first.expose_secret(),
        "/installation/token",
        Value::Null,
    );
    assert_eq!(revoke.await.0, 204);
    room.bot.open_pulls().await.unwrap();
    let second = room.bot.token().await.unwrap();
    assert_ne!(first.expose_secret(), second.expose_secret());
    assert_eq!(room.asked("POST", "/access_tokens"), [201, 201]);
    assert!(!format!("{:?}", room.bot).contains(second.expose_secret()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_of_its_own_gets_a_token_for_git() {
    let room = Room::new();
    let bot = room.bot.clone();
    let token = std::thread::spawn(move || bot.token_blocking())
        .join()
        .unwrap()
        .unwrap();
    let remote = room.world.remote(token.expose_secret());
    let dir = tempfile::tempdir().unwrap();
    crate::sandbox::git_ok(dir.path(), &["clone", "-q", &remote, "."]);
    assert!(dir.path().join("README.md").exists());
}

#[tokio::test]
async fn i30_github_tells_the_time_and_the_app_signs_by_it() {
    let room = Room::new();
    room.world
        .sandbox
        .clock()
        .set("2031-05-06T07:08:09Z".parse().unwrap());
    let pull = room.open().await;
    let there: Timestamp = "2031-05-06T07:08:09Z".parse().unwrap();
    assert_eq!(room.bot.clock(), Some(there));
    assert_eq!(room.see(pull).await.observation().at, there);
    let later = Ask {
        now: "2031-05-06T07:08:10Z".parse().unwrap(),
        ..ask()
    };
    assert_eq!(
        room.bot.observe(pull, &later).await.unwrap().observation().at,
        later.now
    );
}

#[tokio::test]
async fn an_observation_tells_everything_about_one_head() {
    let room = Room::new();
    let sandbox = &room.world.sandbox;
    let pull = room.open().await;
    sandbox
        .protect(
            REPO,
            "main",
            &json!({
                "required_status_checks": { "strict": false, "contexts": [], "checks": [
                    { "context": "countersign", "app_id": room.world.app.id }] },
                "enforce_admins": true, "required_pull_request_reviews": null, "restrictions": null,
            }),
        )
        .unwrap();
    sandbox
        .add_ruleset(
            REPO,
            &json!({
                "name": "main", "target": "branch", "enforcement": "active",
                "conditions": { "ref_name": { "include": ["refs/heads/main"], "exclude": [] } },
                "rules": [{ "type": "deletion" }, { "type": "non_fast_forward" }],
            }),
        )
        .unwrap();
    let review = sandbox.as_user("alice").approve(REPO, pull.0).unwrap();
    sandbox
        .as_user("bob")
        .comment_review(REPO, pull.0, "fine words")
        .unwrap();
    let seeing = room.see(pull).await.with_policy(Seen::Known(Digest::of(b"p")));
    let seen = seeing.observation();
    let bot = AccountId(room.world.app.bot_id);
    assert_eq!(seen.me, bot);
    assert_eq!(seen.policy, Seen::Known(Digest::of(b"p")));
    let stands = seen.pull.known().unwrap();
    assert_eq!(
        (stands.head, stands.author, &stands.state),
        (room.head(), Some(bot), &PullState::Open)
    );
    assert_eq!(
        (stands.title, stands.body),
        (shown_digest("Pay ACME"), shown_digest("One\nTwo\n"))
    );
    let commits = seen.commits.known().unwrap();
    assert_eq!(commits.len(), 1);
    assert_eq!((commits[0].sha, commits[0].author), (room.head(), Some(bot)));
    assert_eq!(seen.pushers, Seen::Known(vec![bot]));
    let reviews = seen.reviews.known().unwrap();
    assert_eq!(reviews.len(), 2);
    assert_eq!(
        (reviews[0].id.0, reviews[0].account),
        (review, Some(room.id("alice")))
    );
    assert_eq!(
        (reviews[0].state, reviews[0].commit),
        (ReviewState::Approved, Some(room.head()))
    );
    assert!(reviews[0].human);
    // Bob only commented, so what he may do does not matter.
    assert_eq!(
        seen.permissions,
        BTreeMap::from([(room.id("alice"), Seen::Known(Permission::Write))])
    );
    let nobody = Ask {
        accounts: Some(Default::default()),
        ..ask()
    };
    let narrow = room.bot.observe(pull, &nobody).await.unwrap();
    assert!(narrow.observation().permissions.is_empty());
    // Alice is in a team below; bob is only invited.
    let finance: TeamName = "finance".parse().unwrap();
    assert_eq!(seen.memberships[&finance], Seen::Known(vec![room.id("alice")]));
    let protection = seen.protection.known().unwrap();
    assert!(protection.force_push_refused && protection.deletion_refused);
    assert_eq!(protection.required_checks.len(), 1);
    assert_eq!(protection.required_checks[0].app, Some(room.world.app.id));
}

#[tokio::test]
async fn i09_more_than_a_hundred_reviews_are_all_seen() {
    let room = Room::new();
    let pull = room.open().await;
    for _ in 0..130 {
        room.world
            .sandbox
            .as_user("alice")
            .comment_review(REPO, pull.0, "hm")
            .unwrap();
    }
    room.world.sandbox.as_user("bob").approve(REPO, pull.0).unwrap();
    let seeing = room.see(pull).await;
    let reviews = seeing.observation().reviews.known().unwrap();
    assert_eq!(reviews.len(), 131);
    assert_eq!(reviews[130].account, Some(room.id("bob")));
}

#[tokio::test]
async fn i09_a_list_that_goes_on_too_long_is_unknown() {
    let room = Room::new();
    let pull = room.open().await;
    let alice = room.world.sandbox.as_user("alice");
    for _ in 0..=3_000 {
        alice.comment_review(REPO, pull.0, "hm").unwrap();
    }
    let seeing = room.see(pull).await;
    let Seen::Unknown { because } = &seeing.observation().reviews else {
        panic!("a part of the reviews is taken for all")
    };
    assert!(because.contains("more entries than are read"), "{because}");
    assert!(seeing.observation().commits.known().is_some());
}

#[tokio::test]
async fn i09_a_truncated_answer_is_unknown_and_never_kept() {
    for failure in [Failure::Truncated, Failure::Empty] {
        let room = Room::new();
        let pull = room.open().await;
        room.world.sandbox.as_user("alice").approve(REPO, pull.0).unwrap();
        room.fault("GET", "/repos/*/pulls/*/reviews", failure.clone(), 1);
        room.fault("GET", "/orgs/*/members", failure, 1);
        let seeing = room.see(pull).await;
        assert!(seeing.observation().reviews.known().is_none());
        assert!(
            seeing
                .observation()
                .memberships
                .values()
                .all(|team| team.known().is_none())
        );
        assert!(seeing.observation().commits.known().is_some());
        let again = room.see(pull).await;
        assert_eq!(again.observation().reviews.known().unwrap().len(), 1);
        assert!(
            again
                .observation()
                .memberships
                .values()
                .all(|team| team.known().is_some())
        );
    }
}

#[tokio::test]
async fn i10_what_cannot_be_read_is_unknown_with_its_reason() {
    let room = Room::new();
    let pull = room.open().await;
    room.fault("GET", "/repos/*/activity", Failure::Before { status: 503 }, 3);
    let strange = Ask {
        teams: vec!["nobody".parse().unwrap()],
        ..ask()
    };
    let seeing = room.bot.observe(pull, &strange).await.unwrap();
    let Seen::Unknown { because } = &seeing.observation().pushers else {
        panic!("pushers are known")
    };
    assert!(because.contains("503"), "{because}");
    let nobody: TeamName = "nobody".parse().unwrap();
    assert!(seeing.observation().memberships[&nobody].known().is_none());
    let personal = Ask {
        organization: None,
        ..ask()
    };
    let seeing = room.bot.observe(pull, &personal).await.unwrap();
    assert!(
        seeing
            .observation()
            .memberships
            .values()
            .all(|team| team.known().is_none())
    );
}

#[tokio::test]
async fn i10_protection_that_may_not_be_read_is_unknown() {
    let room = Room::new();
    let narrow = [
        ("contents", "write"),
        ("pull_requests", "write"),
        ("checks", "write"),
    ];
    room.world
        .sandbox
        .set_app_permissions(room.world.app.id, &narrow)
        .unwrap();
    let pull = room.open().await;
    let seeing = room.see(pull).await;
    assert!(seeing.observation().protection.known().is_none());
    assert!(
        seeing
            .observation()
            .memberships
            .values()
            .all(|team| team.known().is_none())
    );
    assert!(seeing.observation().reviews.known().is_some());
}

#[tokio::test]
async fn i06_a_force_push_moves_the_commit_of_an_approval() {
    let room = Room::new();
    let pull = room.open().await;
    let before = room.head();
    room.world.sandbox.as_user("alice").approve(REPO, pull.0).unwrap();
    assert_eq!(
        room.see(pull).await.observation().reviews.known().unwrap()[0].commit,
        Some(before)
    );
    let files = [("proposals/01/proposal.yaml", "a: 2\n")];
    room.world
        .sandbox
        .as_user("bob")
        .push_files(REPO, BRANCH, &files, "Change", true)
        .unwrap();
    let seeing = room.see(pull).await;
    let seen = seeing.observation();
    assert_ne!(room.head(), before);
    assert_eq!(seen.pull.known().unwrap().head, room.head());
    assert_eq!(seen.reviews.known().unwrap()[0].commit, Some(room.head()));
    assert!(seen.pushers.known().unwrap().contains(&room.id("bob")));
    assert_eq!(seen.commits.known().unwrap()[0].author, Some(room.id("bob")));
    let changed = room.bot.head_changed_at(&BRANCH.parse().unwrap()).await.unwrap();
    assert!(changed >= seen.reviews.known().unwrap()[0].submitted_at);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i06_a_head_that_moves_while_it_is_read_is_read_again() {
    let room = Room::new();
    let pull = room.open().await;
    room.see(pull).await;
    room.world.sandbox.forget_requests();
    room.fault(
        "GET",
        "/repos/*/pulls/*/reviews",
        Failure::Slow {
            by: Duration::from_secs(2),
        },
        1,
    );
    let bot = room.bot.clone();
    let looking = tokio::spawn(async move { bot.observe(pull, &ask()).await });
    while room.asked("GET", "/commits").is_empty() {
        tokio::task::yield_now().await;
    }
    let files = [("proposals/01/proposal.yaml", "a: 3\n")];
    room.world
        .sandbox
        .as_user("bob")
        .push_files(REPO, BRANCH, &files, "Change", true)
        .unwrap();
    let seeing = looking.await.unwrap().unwrap();
    assert_eq!(seeing.pull().head, room.head());
    let commits = seeing.observation().commits.known().unwrap();
    assert_eq!(commits.last().unwrap().sha, room.head());
    assert_eq!(room.asked("GET", "/commits").len(), 2);
}

#[tokio::test]
async fn i08_co_authors_are_seen_and_strangers_count_as_unattributed() {
    let room = Room::new();
    let pull = room.open().await;
    let message = format!(
        "Change\n\nCo-authored-by: A <{}+alice@users.noreply.github.com>\nCo-authored-by: X <x@example.com>",
        room.id("alice")
    );
    let files = [("proposals/01/proposal.yaml", "a: 4\n")];
    room.world
        .sandbox
        .as_user("bob")
        .push_files(REPO, BRANCH, &files, &message, false)
        .unwrap();
    let seeing = room.see(pull).await;
    let commits = seeing.observation().commits.known().unwrap();
    assert_eq!(commits.len(), 2);
    assert_eq!(commits[1].co_authors, [Some(room.id("alice")), None]);
}

#[tokio::test]
async fn i07_a_deleted_account_leaves_a_review_without_an_author() {
    let room = Room::new();
    let pull = room.open().await;
    room.world.sandbox.as_user("alice").approve(REPO, pull.0).unwrap();
    room.world.sandbox.delete_user("alice").unwrap();
    let seeing = room.see(pull).await;
    let review = &seeing.observation().reviews.known().unwrap()[0];
    assert_eq!((review.account, review.human), (None, false));
    assert!(seeing.observation().permissions.is_empty());
}

#[tokio::test]
async fn i31_looking_again_costs_nothing_while_nothing_changes() {
    let room = Room::new();
    let pull = room.open().await;
    room.world.sandbox.as_user("alice").approve(REPO, pull.0).unwrap();
    let first = room.see(pull).await;
    room.world.sandbox.forget_requests();
    let second = room.see(pull).await;
    let requests = room.world.sandbox.requests();
    let paid: Vec<_> = requests
        .iter()
        .filter(|one| one.status == 200)
        .map(|one| &one.path)
        .collect();
    assert!(paid.is_empty(), "{paid:?}");
    assert_eq!(first.observation().reviews, second.observation().reviews);
    assert_eq!(first.observation().permissions, second.observation().permissions);
}

#[tokio::test]
async fn i31_a_pull_request_is_opened_once_whatever_the_answer() {
    let room = Room::new();
    room.propose().await;
    room.fault("POST", "/repos/*/pulls", Failure::After { status: 502 }, 1);
    let pull = room.try_open().await.unwrap();
    assert_eq!(room.try_open().await.unwrap(), pull);
    assert_eq!((room.pulls(), room.asked("POST", "/pulls").len()), (1, 1));
}

#[tokio::test]
async fn i31_what_failed_before_it_took_effect_is_done_after_reading_back() {
    let room = Room::new();
    room.propose().await;
    room.fault("POST", "/repos/*/pulls", Failure::Before { status: 502 }, 1);
    let pull = room.try_open().await.unwrap();
    assert_eq!((pull, room.pulls()), (PullNumber(1), 1));
    assert_eq!(room.asked("POST", "/pulls"), [502, 201]);
}

#[tokio::test]
async fn i31_writes_go_one_after_the_other() {
    let room = Room::new();
    let slow = Failure::Slow {
        by: Duration::from_millis(50),
    };
    room.fault("POST", "/repos/*/issues", slow, 8);
    let open = async |n: usize| room.bot.open_issue(&format!("this {n}"), "Look", "Now.").await;
    let opened = futures::future::join_all((0..8).map(open)).await;
    assert!(opened.into_iter().all(|opened| opened.unwrap()));
    let requests = room.world.sandbox.requests();
    let writes = requests
        .iter()
        .filter(|one| one.path.ends_with("/issues") && one.method == "POST");
    let beside: Vec<usize> = writes.map(|one| one.beside).collect();
    assert_eq!(beside, [0; 8]);
}

#[tokio::test]
async fn i25_somebody_elses_pull_request_is_never_taken_for_ours() {
    let room = Room::new();
    room.propose().await;
    let other = room
        .world
        .sandbox
        .as_user("bob")
        .open_pull(REPO, BRANCH, "main", "Mine", "x")
        .unwrap();
    let error = room.try_open().await.unwrap_err();
    assert_eq!(
        error,
        Error::Taken {
            pull: PullNumber(other)
        }
    );
    for _ in 0..2 {
        room.bot
            .close_with(PullNumber(other), "This branch is the bot's.")
            .await
            .unwrap();
    }
    assert!(!room.bot.pull(PullNumber(other)).await.unwrap().open);
    assert_eq!(room.world.sandbox.comments(REPO, other).unwrap().len(), 1);
    let ours = room.try_open().await.unwrap();
    assert_ne!(ours.0, other);
    let open = room.bot.open_pulls().await.unwrap();
    assert_eq!(open.len(), 1);
    assert_eq!((open[0].number, open[0].same_repo), (ours, true));
    assert_eq!(open[0].head_ref.as_ref().unwrap().as_str(), BRANCH);
}

#[tokio::test]
async fn i15_a_merge_is_made_once_and_tells_its_commit() {
    let room = Room::new();
    let pull = room.open().await;
    let head = room.head();
    room.fault("PUT", "/repos/*/pulls/*/merge", Failure::After { status: 502 }, 1);
    let merged = room.apply(pull, Effect::Merge(head)).await.unwrap();
    let main: Sha = room
        .world
        .sandbox
        .branch_head(REPO, "main")
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(merged, Applied::Merged { sha: main });
    assert_eq!(
        room.apply(pull, Effect::Merge(head)).await.unwrap(),
        Applied::Merged { sha: main }
    );
    assert_eq!(room.asked("PUT", "/merge").len(), 2);
    let seeing = room.see(pull).await;
    let PullState::Merged { by, sha, .. } = &seeing.pull().state else {
        panic!("not merged")
    };
    assert_eq!((*by, *sha), (Some(AccountId(room.world.app.bot_id)), Some(main)));
    room.world
        .sandbox
        .as_user("root")
        .delete_branch(REPO, BRANCH)
        .unwrap();
    let after = room.see(pull).await;
    assert_eq!(
        after.observation().pushers,
        Seen::Known(vec![AccountId(room.world.app.bot_id)])
    );
    assert_eq!(after.observation().commits, seeing.observation().commits);
}

#[tokio::test]
async fn i15_a_head_that_moved_is_not_merged() {
    let room = Room::new();
    let pull = room.open().await;
    let head = room.head();
    let files = [("proposals/01/proposal.yaml", "a: 5\n")];
    room.world
        .sandbox
        .as_user("bob")
        .push_files(REPO, BRANCH, &files, "Change", false)
        .unwrap();
    assert_eq!(
        room.apply(pull, Effect::Merge(head)).await.unwrap(),
        Applied::HeadMoved
    );
    room.world.sandbox.as_user("bob").close(REPO, pull.0).unwrap();
    let now = room.head();
    let refused = room.apply(pull, Effect::Merge(now)).await.unwrap();
    assert!(matches!(refused, Applied::NotMergeable { .. }), "{refused:?}");
}

#[tokio::test]
async fn i27_one_check_run_changes_in_place() {
    let room = Room::new();
    let pull = room.open().await;
    room.fault("POST", "/repos/*/check-runs", Failure::After { status: 500 }, 1);
    for conclusion in [Conclusion::ActionRequired, Conclusion::Success] {
        let check = check(&room, conclusion);
        assert_eq!(
            room.apply(pull, Effect::PutCheck(check.clone())).await.unwrap(),
            Applied::Done
        );
        let shown = room.see(pull).await.published(&nothing(pull));
        assert_eq!(shown.check, Some(check));
    }
    let runs = room
        .world
        .sandbox
        .check_runs(REPO, &room.head().to_string())
        .unwrap();
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0]["output"]["title"], "1 approval missing");
}

#[tokio::test]
async fn i27_another_app_s_check_is_never_taken_for_ours() {
    let room = Room::new();
    let pull = room.open().await;
    let ours = check(&room, Conclusion::ActionRequired);
    room.apply(pull, Effect::PutCheck(ours.clone())).await.unwrap();
    let sandbox = &room.world.sandbox;
    let forger = sandbox
        .create_app(AppSpec {
            slug: "forger".into(),
            owner: "acme".into(),
            permissions: vec![("checks".into(), "write".into())],
            events: Vec::new(),
            webhook_url: None,
        })
        .unwrap();
    let installation = sandbox.install(forger.id, "acme", &[REPO]).unwrap();
    let token = sandbox.installation_token(installation).unwrap();
    let head = room.head();
    let forged = json!({
        "name": "countersign", "head_sha": head, "status": "completed", "conclusion": "success",
    });
    let path = format!("/repos/{REPO}/check-runs");
    assert_eq!(room.world.post(&token, &path, forged).await.0, 201);
    assert_eq!(room.see(pull).await.published(&nothing(pull)).check, Some(ours));
    let passed = check(&room, Conclusion::Success);
    room.apply(pull, Effect::PutCheck(passed.clone())).await.unwrap();
    assert_eq!(room.see(pull).await.published(&nothing(pull)).check, Some(passed));
    assert_eq!(sandbox.check_runs(REPO, &head.to_string()).unwrap().len(), 2);
}

#[tokio::test]
async fn i26_a_summary_that_does_not_fit_is_refused() {
    let room = Room::new();
    let pull = room.open().await;
    let long = Texts {
        check_summary: "x".repeat(65_536),
        ..texts()
    };
    let effect = Effect::PutCheck(check(&room, Conclusion::Failure));
    let error = room.bot.apply(pull, &effect, &long, &people()).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    assert!(room.asked("POST", "/check-runs").is_empty());
}

fn nothing(pull: PullNumber) -> Published {
    Published {
        pull,
        open: true,
        title: shown_digest("Pay ACME"),
        body: shown_digest("One\nTwo\n"),
        check: None,
        asked: Asked::Somebody,
        further: BTreeMap::new(),
        outcome: None,
        merged: false,
    }
}

#[tokio::test]
async fn i26_one_outcome_comment_is_kept_and_foreign_edits_are_put_back() {
    let room = Room::new();
    let pull = room.open().await;
    room.fault(
        "POST",
        "/repos/*/issues/*/comments",
        Failure::After { status: 504 },
        1,
    );
    let says = Digest::of(b"executed");
    let wanted = Published {
        outcome: Some(says),
        ..nothing(pull)
    };
    assert_eq!(room.see(pull).await.published(&wanted).outcome, None);
    room.apply(pull, Effect::PutOutcome(says)).await.unwrap();
    assert_eq!(room.see(pull).await.published(&wanted).outcome, Some(says));
    let comments = room.world.sandbox.comments(REPO, pull.0).unwrap();
    assert_eq!(comments.len(), 1);
    assert!(comments[0]["body"].as_str().unwrap().starts_with("Paid.\n"));
    room.bot.answer(pull, "Hello").await.unwrap();
    let comment = comments[0]["id"].as_u64().unwrap();
    let forged = comments[0]["body"]
        .as_str()
        .unwrap()
        .replace("Paid.", "Not paid.");
    room.world
        .sandbox
        .as_user("root")
        .edit_comment(REPO, comment, &forged)
        .unwrap();
    assert_ne!(room.see(pull).await.published(&wanted).outcome, Some(says));
    room.apply(pull, Effect::PutOutcome(says)).await.unwrap();
    assert_eq!(room.see(pull).await.published(&wanted).outcome, Some(says));
    assert_eq!(room.world.sandbox.comments(REPO, pull.0).unwrap().len(), 2);
}

#[tokio::test]
async fn i26_title_and_body_are_put_back() {
    let room = Room::new();
    let pull = room.open().await;
    let foreign = json!({ "title": "Pay MALLORY", "body": "Three" });
    room.world
        .sandbox
        .as_user("bob")
        .edit_pull(REPO, pull.0, &foreign)
        .unwrap();
    assert_ne!(
        room.see(pull).await.published(&nothing(pull)).title,
        shown_digest("Pay ACME")
    );
    room.apply(pull, Effect::RestoreText).await.unwrap();
    let shown = room.see(pull).await.published(&nothing(pull));
    assert_eq!(
        (shown.title, shown.body),
        (shown_digest("Pay ACME"), shown_digest("One\nTwo\n"))
    );
}

#[tokio::test]
async fn reviewers_are_asked_and_whoever_cannot_be_is_left_out() {
    let room = Room::new();
    let pull = room.open().await;
    assert_eq!(
        room.see(pull).await.published(&nothing(pull)).asked,
        Asked::Nobody
    );
    let author = person("countersign");
    let owners = [person("alice"), author.clone(), person("stranger")].into();
    let asked = room.apply(pull, Effect::Ask(owners)).await.unwrap();
    assert_eq!(asked, Applied::LeftOut([author, person("stranger")].into()));
    assert_eq!(
        room.see(pull).await.published(&nothing(pull)).asked,
        Asked::Somebody
    );
    room.world.sandbox.as_user("alice").approve(REPO, pull.0).unwrap();
    assert_eq!(
        room.see(pull).await.published(&nothing(pull)).asked,
        Asked::Somebody
    );
}

#[tokio::test]
async fn whom_an_escalation_asks_is_asked_once_and_not_after_an_answer() {
    let room = Room::new();
    let pull = room.open().await;
    let account = |login: &str| [room.id(login)].into();
    let wanted = Published {
        further: [
            (person("alice"), account("alice")),
            (person("bob"), account("bob")),
        ]
        .into(),
        ..nothing(pull)
    };
    let shown = room.see(pull).await.published(&wanted);
    assert_eq!(shown.further, wanted.further);
    room.apply(pull, Effect::Ask([person("alice")].into()))
        .await
        .unwrap();
    assert!(room.see(pull).await.published(&wanted).further.is_empty());
    room.world.sandbox.as_user("alice").approve(REPO, pull.0).unwrap();
    let left: Vec<Owner> = room
        .see(pull)
        .await
        .published(&wanted)
        .further
        .into_keys()
        .collect();
    assert_eq!(left, [person("bob")]);
    room.apply(pull, Effect::Ask([person("bob")].into()))
        .await
        .unwrap();
    assert!(room.see(pull).await.published(&wanted).further.is_empty());
}

#[tokio::test]
async fn i31_retry_after_is_honoured_and_the_write_made_once() {
    let room = Room::new();
    let pull = room.open().await;
    room.fault(
        "POST",
        "/repos/*/issues/*/comments",
        Failure::SecondaryLimit {
            status: 403,
            retry_after: 1,
        },
        1,
    );
    room.bot.answer(pull, "Hello").await.unwrap();
    assert_eq!(room.asked("POST", "/comments"), [403, 201]);
    assert_eq!(room.world.sandbox.comments(REPO, pull.0).unwrap().len(), 1);
}

#[tokio::test]
async fn i31_a_long_limit_is_told_and_nothing_more_is_asked() {
    let room = Room::new();
    let pull = room.open().await;
    room.fault(
        "GET",
        "/repos/*/pulls",
        Failure::PrimaryLimit { reset_in: 3_000 },
        1,
    );
    let limited = room.bot.open_pulls().await.unwrap_err();
    assert!(matches!(limited, Error::RateLimited { .. }), "{limited}");
    assert!(limited.is_passing());
    room.world.sandbox.forget_requests();
    let error = room.bot.observe(pull, &ask()).await.unwrap_err();
    assert!(matches!(error, Error::RateLimited { .. }), "{error}");
    assert!(room.world.sandbox.requests().is_empty());
}

#[tokio::test]
async fn a_file_is_read_at_a_commit() {
    let room = Room::new();
    let at = room.propose().await;
    let read = async |path: &str| room.bot.file_at(path, at).await;
    assert_eq!(
        read("proposals/01/proposal.yaml").await.unwrap().unwrap(),
        b"a: 1\n"
    );
    assert_eq!(read("proposals/01").await.unwrap(), None);
    assert_eq!(read("proposals/01/none.yaml").await.unwrap(), None);
}

#[tokio::test]
async fn accounts_are_found_by_login_and_by_number() {
    let room = Room::new();
    let alice = room.bot.account(&"alice".parse().unwrap()).await.unwrap();
    assert_eq!(alice, room.id("alice"));
    room.world.sandbox.rename_user("alice", "alicia").unwrap();
    assert_eq!(room.bot.login(alice).await.unwrap().as_str(), "alicia");
    let error = room.bot.account(&"nobody".parse().unwrap()).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
}
