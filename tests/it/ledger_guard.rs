//! A ledger that is not what it was runs nothing: rolled back, rewritten, deleted, another one in its place; while a bot
//! runs and across a restart; with this machine's memory, with an old one, and with none. INVARIANT i18.

use countersign::{ledger::LedgerError, service::AssembleError};
use serde_json::json;

use crate::world::{Opened, REPO, Setup, World, copy, git, merge_commit, story_with};

fn manual() -> Setup {
    Setup {
        edits: vec![(
            "tiers.yaml",
            "merge: auto                 # the bot merges",
            "merge: manual               # the bot merges",
        )],
        ..Setup::default()
    }
}

/// The ledger's branch as anybody may find it who restores a backup.
struct Branch<'a>(&'a World);

impl Branch<'_> {
    fn run(&self, args: &[&str]) -> String {
        git(&self.0.github.git_dir(REPO).unwrap(), args).trim().to_owned()
    }
    fn head(&self) -> String {
        self.run(&["rev-parse", "ledger"])
    }
    fn put(&self, commit: &str) {
        self.run(&["update-ref", "refs/heads/ledger", commit]);
    }
    fn delete(&self) {
        self.run(&["update-ref", "-d", "refs/heads/ledger"]);
    }
    /// A commit that says what the newest says, made by somebody else.
    fn rewritten(&self, parent: &[&str]) -> String {
        let message = self.run(&["log", "-1", "--format=%B", "ledger"]);
        let tree = self.run(&["rev-parse", "ledger^{tree}"]);
        let who = ["-c", "user.name=m", "-c", "user.email=m@example.com"];
        let commit = ["commit-tree", &tree, "-m", &message];
        self.run(&[&who[..], &commit, parent].concat())
    }
}

/// A campaign that is approved and that nobody merged yet, and the ledger's head then. It holds nothing sealed, so that a
/// machine without memory could send it.
async fn approved(world: &mut World) -> (Opened, String) {
    let campaign = world.campaign().await;
    world.approve("dave", &campaign).await;
    let before = Branch(world).head();
    (campaign, before)
}

fn merge(world: &World, campaign: &Opened) {
    let alice = world.person("alice");
    alice.merge(REPO, campaign.pull, merge_commit()).unwrap();
}

/// The same, executed.
async fn executed(world: &mut World) -> (Opened, String) {
    let (campaign, before) = approved(world).await;
    merge(world, &campaign);
    world.settle().await;
    assert_eq!(world.state(&campaign).await, "executed");
    assert_eq!(world.acted(), (0, 1));
    (campaign, before)
}

/// The bot dies, and its machine is lost with it.
fn loses_its_disk(world: &mut World) {
    world.crash();
    std::fs::remove_dir_all(world.data.path().join("bot")).unwrap();
}

/// Why the ledger lets no bot start.
async fn refusal(world: &mut World) -> LedgerError {
    match world.start().await.unwrap_err() {
        AssembleError::Ledger(error) => error,
        other => panic!("{other}"),
    }
}

/// The campaign is merged while the bot runs, and does not run; nor does another bot start on the same disk: why.
async fn merged_runs_nothing(world: &mut World, campaign: &Opened) -> LedgerError {
    merge(world, campaign);
    world.settle().await;
    world.sweep().await;
    assert_eq!(world.acted(), (0, 0), "while it runs");
    world.crash();
    refusal(world).await
}

/// The ledger is what it was: a bot starts, and the campaign has run once.
async fn starts_and_has_run_once(world: &mut World, campaign: &Opened) {
    world.start().await.unwrap();
    world.sweep().await;
    assert_eq!(world.state(campaign).await, "executed");
    assert_eq!((world.targets.crm().asked(), world.acted()), (1, (0, 1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn i18_a_restored_ledger_and_an_empty_disk_do_not_send_twice() {
    story_with(manual(), async |world| {
        let (campaign, before) = executed(world).await;
        let newest = Branch(world).head();
        Branch(world).put(&before);
        loses_its_disk(world);
        for _ in 0..2 {
            // Nor the second time: what was refused is not what is remembered.
            let error = refusal(world).await;
            assert!(matches!(error, LedgerError::Contradicted { .. }), "{error}");
            let said = error.to_string();
            for part in ["GitHub shows that the ledger held", "put back", "from any clone"] {
                assert!(said.contains(part), "{said}");
            }
        }
        assert_eq!((world.targets.crm().asked(), world.acted()), (1, (0, 1)));
        assert_eq!(Branch(world).head(), before, "nothing was recorded either");
        Branch(world).put(&newest);
        starts_and_has_run_once(world, &campaign).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i18_a_machine_restored_together_with_the_ledger_does_not_send_twice() {
    let mut world = World::begin(manual()).await;
    let (campaign, _) = approved(&mut world).await;
    world.restart().await;
    // A backup of both, taken in the same moment.
    let (bot, backup) = (world.data.path().join("bot"), world.data.path().join("backup"));
    copy(&bot, &backup);
    let before = Branch(&world).head();
    merge(&world, &campaign);
    world.settle().await;
    assert_eq!(world.state(&campaign).await, "executed");
    let newest = Branch(&world).head();
    loses_its_disk(&mut world);
    copy(&backup, &bot);
    Branch(&world).put(&before);
    let shown = world.check(&campaign);
    world.start().await.unwrap();
    world.sweep().await;
    world.sweep().await;
    assert_eq!((world.targets.crm().asked(), world.acted()), (1, (0, 1)));
    assert_eq!(Branch(&world).head(), before, "nothing was recorded");
    assert_eq!(world.check(&campaign), shown, "the witness stays");
    // What one pull request contradicts is no ledger for any other.
    for (agent, body) in [
        ("campaign-agent", crate::world::campaign()),
        ("support-agent", crate::world::note()),
    ] {
        let (status, answer) = world.propose(agent, body).await;
        assert_eq!(status, 503, "{answer:#}");
        assert!(
            answer.to_string().contains("GitHub shows that the ledger held"),
            "{answer:#}"
        );
    }
    assert_eq!(world.raw("GET", "/readyz", &[], Vec::new()).await.0, 503);
    assert_eq!(world.state(&campaign).await, "open");
    // The branch is put back while the bot runs: it follows, and goes on.
    Branch(&world).put(&newest);
    world.sweep().await;
    world.sweep().await;
    assert_eq!(world.state(&campaign).await, "executed");
    assert_eq!(world.raw("GET", "/readyz", &[], Vec::new()).await.0, 200);
    world.campaign().await;
    assert_eq!((world.targets.crm().asked(), world.acted()), (1, (0, 1)));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i18_a_ledger_that_was_rewritten_runs_nothing() {
    story_with(manual(), async |world| {
        let (campaign, newest) = approved(world).await;
        let other = Branch(world).rewritten(&["-p", "ledger~1"]);
        Branch(world).put(&other);
        let error = merged_runs_nothing(world, &campaign).await;
        assert!(matches!(error, LedgerError::Rewritten { .. }), "{error}");
        assert!(error.to_string().contains("rolled back or rewritten"), "{error}");
        loses_its_disk(world);
        let error = refusal(world).await;
        assert!(matches!(error, LedgerError::Contradicted { .. }), "{error}");
        assert_eq!(world.acted(), (0, 0));
        Branch(world).put(&newest);
        starts_and_has_run_once(world, &campaign).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i18_a_ledger_that_was_deleted_runs_nothing() {
    story_with(manual(), async |world| {
        let (campaign, newest) = approved(world).await;
        Branch(world).delete();
        let error = merged_runs_nothing(world, &campaign).await;
        assert!(matches!(error, LedgerError::Gone { .. }), "{error}");
        let said = error.to_string();
        assert!(said.contains(&newest) && said.contains("any more"), "{said}");
        // What the message says to do: the local repository still holds it.
        let local = world.data.path().join("bot/ledger");
        let remote = world.github.git_dir(REPO).unwrap();
        let refspec = format!("{newest}:refs/heads/ledger");
        git(&local, &["push", "--quiet", remote.to_str().unwrap(), &refspec]);
        starts_and_has_run_once(world, &campaign).await;
        let latest = Branch(world).head();
        Branch(world).delete();
        loses_its_disk(world);
        let error = refusal(world).await;
        assert!(matches!(error, LedgerError::NoBranch(_)), "{error}");
        Branch(world).put(&newest);
        let error = refusal(world).await;
        assert!(matches!(error, LedgerError::Contradicted { .. }), "{error}");
        Branch(world).put(&latest);
        starts_and_has_run_once(world, &campaign).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i18_another_ledger_in_its_place_runs_nothing() {
    story_with(manual(), async |world| {
        let (campaign, newest) = approved(world).await;
        let other = Branch(world).rewritten(&[]);
        Branch(world).put(&other);
        let error = merged_runs_nothing(world, &campaign).await;
        assert!(matches!(error, LedgerError::Rewritten { .. }), "{error}");
        loses_its_disk(world);
        let error = refusal(world).await;
        assert!(matches!(error, LedgerError::Genesis(_)), "{error}");
        assert_eq!(world.acted(), (0, 0));
        Branch(world).put(&newest);
        starts_and_has_run_once(world, &campaign).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i18_a_check_that_says_nothing_readable_of_the_ledger_stops_what_is_merged() {
    story_with(manual(), async |world| {
        let (campaign, _) = approved(world).await;
        let pull = world.github.pull(REPO, campaign.pull).unwrap();
        let head = pull["head"]["sha"].as_str().unwrap();
        let id = world.github.check_runs(REPO, head).unwrap().last().unwrap()["external_id"].clone();
        let told = id.as_str().unwrap();
        assert_eq!(told.split(' ').count(), 2, "{told}");
        let size = told.split(':').nth(2).unwrap();
        assert_eq!(json!(size.parse::<u64>().unwrap()), json!(world.entries().len()));
        assert!(told.len() <= 255, "{told}");
        let unreadable = countersign::sandbox::Fault {
            times: 10_000,
            ..countersign::sandbox::Fault::once(
                "GET",
                "/repos/*/commits/*/check-runs",
                countersign::sandbox::Failure::Before { status: 404 },
            )
        };
        world.github.fault(unreadable);
        merge(world, &campaign);
        world.settle().await;
        world.sweep().await;
        assert_eq!(world.acted(), (0, 0));
        world.github.clear_faults();
        world.sweep().await;
        assert_eq!(world.state(&campaign).await, "executed");
        assert_eq!(world.acted(), (0, 1));
    })
    .await;
}
