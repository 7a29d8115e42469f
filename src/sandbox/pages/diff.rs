//! Diffs, line by line.
use serde::Serialize;

use super::super::git::FileChange;

#[derive(Debug, Serialize)]
pub(super) struct FileView {
    path: String,
    name: String,
    href: String,
    previous: Option<String>,
    status: &'static str,
    additions: usize,
    deletions: usize,
    lines: Vec<Line>,
}

#[derive(Debug, Serialize, PartialEq, Eq)]
struct Line {
    kind: &'static str,
    old: String,
    new: String,
    text: String,
}

/// The changed files of `repo` (`owner/name`) at commit `head`.
pub(super) fn files(repo: &str, head: &str, changes: &[FileChange]) -> Vec<FileView> {
    changes
        .iter()
        .map(|change| FileView {
            path: change.path.clone(),
            name: change.path.rsplit('/').next().unwrap_or_default().to_owned(),
            href: format!("/{repo}/blob/{head}/{}", change.path),
            previous: change.previous.clone(),
            status: change.status,
            additions: change.additions,
            deletions: change.deletions,
            lines: change.patch.as_deref().map(lines).unwrap_or_default(),
        })
        .collect()
}

fn lines(patch: &str) -> Vec<Line> {
    let (mut old, mut new) = (0_u64, 0_u64);
    let mut out = Vec::new();
    for text in patch.lines() {
        let number = |shown: bool, at: u64| if shown { at.to_string() } else { String::new() };
        let kind = match text.chars().next() {
            Some('@') => {
                if let Some((from, to)) = starts(text) {
                    (old, new) = (from, to);
                }
                out.push(Line {
                    kind: "hunk",
                    old: String::new(),
                    new: String::new(),
                    text: text.to_owned(),
                });
                continue;
            }
            Some('+') => "add",
            Some('-') => "del",
            Some(_) | None => "same",
        };
        let (in_old, in_new) = (kind == "del" || kind == "same", kind == "add" || kind == "same");
        let noted = text.starts_with('\\');
        out.push(Line {
            kind,
            old: number(in_old && !noted, old),
            new: number(in_new && !noted, new),
            text: text.to_owned(),
        });
        if !noted {
            old += u64::from(in_old);
            new += u64::from(in_new);
        }
    }
    out
}

/// The line numbers of `@@ -a,b +c,d @@`.
fn starts(header: &str) -> Option<(u64, u64)> {
    let mut parts = header.split(' ').skip(1);
    let number = |part: &str| part.get(1..)?.split(',').next()?.parse().ok();
    Some((number(parts.next()?)?, number(parts.next()?)?))
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn lines_are_numbered_on_both_sides() {
        let seen: Vec<_> = lines("@@ -3,2 +3,2 @@ fn\n a\n-b\n+c")
            .into_iter()
            .map(|line| (line.kind, line.old, line.new))
            .collect();
        let expected = [
            ("hunk", "", ""),
            ("same", "3", "3"),
            ("del", "4", ""),
            ("add", "", "4"),
        ];
        assert_eq!(
            seen,
            expected.map(|(kind, old, new)| (kind, old.to_owned(), new.to_owned()))
        );
    }
}
