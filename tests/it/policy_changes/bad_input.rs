//! Rules that nobody should bring: whatever a head holds, the check says why, and everything else goes on.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use super::{held, ready};
use crate::world::{Opened, REPO, World, git, merge_commit, payment, story};

const FILE: &str = "100644";
const LINK: &str = "120000";
const SUBMODULE: &str = "160000";

/// Writes bytes as an object; its id.
fn object(dir: &Path, content: &[u8]) -> String {
    let mut writing = Command::new("git")
        .current_dir(dir)
        .args(["hash-object", "-w", "--stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writing.stdin.take().unwrap().write_all(content).unwrap();
    let output = writing.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Dave's pull request with files of any content and kind, pushed by Git itself.
async fn brings(world: &mut World, branch: &str, files: &[(&str, &str, &[u8])]) -> Opened {
    let work = tempfile::tempdir().unwrap();
    let dir = work.path();
    let token = world.github.user_token("dave").unwrap();
    let url = world
        .github
        .url()
        .replace("http://", &format!("http://x-access-token:{token}@"));
    let url = format!("{url}/{REPO}.git");
    git(
        dir,
        &[
            "clone",
            "--quiet",
            "--branch",
            "main",
            "--single-branch",
            &url,
            ".",
        ],
    );
    git(dir, &["config", "user.name", "dave"]);
    git(dir, &["config", "user.email", "dave@users.noreply.github.com"]);
    for (path, mode, content) in files {
        let id = match *mode {
            SUBMODULE => "1234567890123456789012345678901234567890".to_owned(),
            _ => object(dir, content),
        };
        let entry = format!("{mode},{id},{path}");
        git(dir, &["update-index", "--add", "--cacheinfo", &entry]);
    }
    git(dir, &["commit", "--quiet", "--message", "Change the rules"]);
    let to = format!("HEAD:refs/heads/{branch}");
    git(dir, &["push", "--quiet", "origin", &to]);
    let pull = world
        .person("dave")
        .open_pull(REPO, branch, "main", "Change the rules", "As discussed.")
        .unwrap();
    world.settle().await;
    world.both_later(Duration::from_secs(2));
    Opened {
        id: String::new(),
        pull,
        agent: "payments-agent",
    }
}

/// The check fails and says all of this.
fn says(world: &World, of: &Opened, words: &[&str]) {
    let check = world.check(of);
    assert_eq!(check.conclusion, "failure", "{}", check.summary);
    for words in words {
        assert!(
            check.summary.contains(words),
            "no `{words}` in: {}",
            check.summary
        );
    }
}

/// The bot answers on: a campaign is proposed, approved, and runs.
async fn goes_on(world: &mut World) {
    let before = world.acted().1;
    let campaign = world.campaign().await;
    world.approve("dave", &campaign).await;
    assert_eq!(
        world.state(&campaign).await,
        "executed",
        "{}",
        world.check(&campaign).summary
    );
    assert_eq!(world.acted().1, before + 1);
    assert!(world.of_kind("policy").is_empty() && world.of_kind("incident").is_empty());
}

/// Nine lists, each of nine of the one before.
fn bomb() -> String {
    let mut text = "rules:\n  - &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let before = format!("*a{}", level - 1);
        let all = vec![before; 9].join(", ");
        text += &format!("  - &a{level} [{all}]\n");
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn i10_files_that_can_t_be_read_are_named_with_their_place() {
    story(async |world| {
        let tiers = "policies/tiers.yaml";
        let large = vec![b'x'; 10 << 20];
        let deep = format!("rules: {}{}\n", "[".repeat(60), "]".repeat(60));
        let bomb = bomb();
        let good = held(world, tiers);
        let twice = format!("{good}gates: {{}}\n");
        let at_twice = format!("tiers.yaml:{}:1", good.lines().count() + 1);
        let cases: [(&str, &str, &[u8], &[&str]); 8] = [
            (tiers, FILE, bomb.as_bytes(), &["tiers.yaml:", "alias"]),
            (tiers, FILE, deep.as_bytes(), &["tiers.yaml:1:", "deep"]),
            (tiers, FILE, twice.as_bytes(), &[&at_twice, "gates"]),
            (
                tiers,
                FILE,
                b"rules:\n  - \xff\n",
                &["`policies/tiers.yaml:2:5` is not `UTF-8` text; save it so"],
            ),
            (
                tiers,
                FILE,
                &large,
                &["policies/tiers.yaml", "is larger than 1 MiB; split it"],
            ),
            (
                tiers,
                LINK,
                b"/etc/passwd",
                &[
                    "policies/tiers.yaml",
                    "is a symbolic link; put the file itself there",
                ],
            ),
            (
                "policies/more",
                SUBMODULE,
                b"",
                &["policies/more", "is a submodule; put the files themselves there"],
            ),
            (tiers, FILE, b"", &["tiers.yaml"]),
        ];
        for (number, (path, mode, content, words)) in (1..).zip(cases) {
            let pull = brings(world, &format!("bad-{number}"), &[(path, mode, content)]).await;
            says(world, &pull, words);
        }
        assert_eq!(ready(world).await.0, 200);
        goes_on(world).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i10_more_files_than_are_read_are_refused_by_their_number() {
    story(async |world| {
        let paths: Vec<String> = (0..2_001)
            .map(|n| format!("policies/checks/n{n:04}.yaml"))
            .collect();
        let files: Vec<(&str, &str, &[u8])> = paths
            .iter()
            .map(|path| (path.as_str(), FILE, &b"a: 1\n"[..]))
            .collect();
        let pull = brings(world, "many", &files).await;
        says(world, &pull, &["is one file too many: 2,000 are read"]);
        goes_on(world).await;
    })
    .await;
}

/// Payments pass a check of the candidate's own, which is tried out on its cases and on what was proposed before.
fn with_check(world: &World, file: &str, text: &str) -> Vec<(String, String)> {
    let name = file.split('.').next().unwrap();
    let catalog = held(world, "policies/catalog.yaml");
    let listed = "checks: [text]\n    sensitive: [params.iban]";
    assert!(catalog.contains(listed));
    let catalog = catalog.replace(
        listed,
        &format!("checks: [text, {name}]\n    sensitive: [params.iban]"),
    );
    vec![
        ("policies/catalog.yaml".to_owned(), catalog),
        (format!("policies/checks/{file}"), text.to_owned()),
    ]
}

async fn tries(world: &mut World, branch: &str, files: &[(String, String)]) -> Opened {
    let files: Vec<(&str, &str, &[u8])> = files
        .iter()
        .map(|(path, text)| (path.as_str(), FILE, text.as_bytes()))
        .collect();
    brings(world, branch, &files).await
}

#[tokio::test(flavor = "multi_thread")]
async fn i10_expressions_and_modules_that_would_blow_up_are_refused_with_their_place() {
    story(async |world| {
        let loops = "summary: Too many loops\nlevel: deny\nmessage: no\nremedy: none\nexpression: items.all(a, items.all(b, items.all(c, a != b || b != c)))\n";
        let files = with_check(world, "loops.yaml", loops);
        let pull = tries(world, "loops", &files).await;
        says(world, &pull, &["checks/loops.yaml:5:", "loops nested deeper than 2; split the expression"]);
        let recursive = "package loops\nimport rego.v1\na if b\nb if a\ndeny contains \"no\" if a\n";
        let files = with_check(world, "ring.rego", recursive);
        let pull = tries(world, "ring", &files).await;
        says(world, &pull, &["checks/ring.rego:3:1", "calls itself"]);
        let reaches = "package reach\nimport rego.v1\ndeny contains \"no\" if http.send({\"url\": \"http://localhost\"})\n";
        let files = with_check(world, "reach.rego", reaches);
        let pull = tries(world, "reach", &files).await;
        says(world, &pull, &["checks/reach.rego:3:23", "`http.send` can't be used in a check"]);
        goes_on(world).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i10_a_check_that_exceeds_its_budget_is_told_of_by_proposal() {
    story(async |world| {
        let (status, _) = world.propose("payments-agent", payment()).await;
        assert_eq!(status, 202);
        world.settle().await;
        let slow = "package slow\nimport rego.v1\nn := [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\ndeny contains \"no\" if {\n  some a in n\n  some b in n\n  some c in n\n  some d in n\n  some e in n\n  some f in n\n  a + b + c + d + e + f == 1\n}\n";
        let costly = "summary: Too many steps\nlevel: deny\nmessage: no\nremedy: none\nexpression: \"[1, 2, 3, 4, 5].all(a, params.reference.matches('(x+x+)+y') || a > 0) && params.amount.minor / 0 == 1\"\n";
        for (file, text) in [("slow.rego", slow), ("costly.yaml", costly)] {
            let name = file.split('.').next().unwrap();
            let files = with_check(world, file, text);
            let pull = tries(world, name, &files).await;
            let summary = world.check(&pull).summary;
            let line = summary.lines().find(|line| line.contains("waiting → errored"));
            assert!(line.is_some_and(|line| line.contains(&format!("| {name} |"))), "{file}: {summary}");
        }
        goes_on(world).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i02_bad_files_that_land_around_the_gate_stop_everything_new_and_say_why() {
    story(async |world| {
        let payment = world.payment().await;
        let pull = brings(world, "link", &[("policies/tiers.yaml", LINK, b"CODEOWNERS")]).await;
        world
            .person("root")
            .merge(REPO, pull.pull, merge_commit())
            .unwrap();
        world.settle().await;
        world.restart().await;
        world.sweep().await;
        let (status, answer) = ready(world).await;
        assert_eq!(status, 503);
        let detail = answer["detail"].as_str().unwrap();
        assert!(
            detail.contains("policies/tiers.yaml") && detail.contains("symbolic link"),
            "{detail}"
        );
        // The last good rules still tell what this is, and nothing of it runs.
        world.approve("alice", &payment).await;
        world.approve("bob", &payment).await;
        assert_eq!(world.state(&payment).await, "open");
        assert_eq!(world.check(&payment).conclusion, "failure");
        assert_eq!(world.acted(), (0, 0));
        assert_eq!(world.of_kind("incident").len(), 1);
        assert!(world.of_kind("policy").is_empty());
    })
    .await;
}
