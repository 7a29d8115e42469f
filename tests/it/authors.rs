//! What authors of policies have: lint, editors' schemas, cases.

use std::path::Path;

use serde_json::Value;

use crate::cli::{Ran, at, run};

mod bad_input;
mod cases;
mod lint;
mod schema;

/// A copy of the starter set, as `countersign init` writes it, some texts replaced.
pub(super) fn starter(edits: &[(&str, &str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let policies = dir.path().join("policies");
    let ran = run(&["init", "--policies-out", at(&policies)]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    edit(&policies, edits);
    dir
}

/// A copy of the small set of `tests/policies/`, which stays as it is, some texts replaced.
pub(super) fn small(edits: &[(&str, &str, &str)]) -> tempfile::TempDir {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/policies");
    let dir = tempfile::tempdir().unwrap();
    let policies = dir.path().join("policies");
    std::fs::create_dir_all(policies.join("tests")).unwrap();
    for name in [
        "CODEOWNERS",
        "agents.yaml",
        "catalog.yaml",
        "people.yaml",
        "tiers.yaml",
        "tests/all.yaml",
    ] {
        std::fs::copy(from.join(name), policies.join(name)).unwrap();
    }
    edit(&policies, edits);
    dir
}

fn edit(policies: &Path, edits: &[(&str, &str, &str)]) {
    for (path, from, to) in edits {
        let path = policies.join(path);
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(text.contains(from), "`{from}` is not in {}", path.display());
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
    }
}

/// A command of `countersign policy` on a folder's `policies/`, its paths without the folder.
pub(super) fn policy(dir: &Path, command: &str, more: &[&str]) -> Ran {
    let policies = dir.join("policies");
    let ran = run(&[&["policy", command, at(&policies)], more].concat());
    let folder = format!("{}/", at(dir));
    Ran {
        code: ran.code,
        out: ran.out.replace(&folder, ""),
        err: ran.err.replace(&folder, ""),
    }
}

pub(super) fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}{}", ran.out, ran.err))
}
