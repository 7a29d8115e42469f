//! Reading policy files, and showing what is wrong in them where it stands.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
};

use miette::{LabeledSpan, MietteDiagnostic, NamedSource, Report, Severity, miette};

use super::Failure;
use crate::domain::{
    policy::{
        Policy, PolicyError, compile,
        lint::{self, Finding},
    },
    source::{MAX_BYTES, SourceError, SourceFile},
};

/// Where policies are unless somebody says otherwise.
pub(super) const FOLDER: &str = "policies";

/// Reads and compiles a folder of policy files.
pub(super) fn policy(folder: &Path) -> Result<Policy, Failure> {
    compiled(folder, &files(folder)?)
}

/// Compiles the files of a folder.
pub(super) fn compiled(folder: &Path, files: &[SourceFile]) -> Result<Policy, Failure> {
    compile(files).map_err(|found| errors(&found, folder, files))
}

/// Errors of policy files as a failure.
pub(super) fn errors(errors: &[PolicyError], folder: &Path, files: &[SourceFile]) -> Failure {
    let reports = errors.iter().map(|error| in_policy(error, folder, files));
    Failure::Files(reports.collect())
}

/// One file as text. No more of it is read than a file of the rules may have.
pub(super) fn text(path: &Path) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let most = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX);
    File::open(path)
        .and_then(|file| file.take(most.saturating_add(1)).read_to_end(&mut bytes))
        .map_err(|error| unreadable(path, &error))?;
    if bytes.len() > MAX_BYTES {
        let help = "no file of the rules is that long; take out what does not belong there";
        return Err(refused(path, "is larger than 1 MiB", help));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = error.as_bytes().get(..valid).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let start = before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        let column = String::from_utf8_lossy(before.get(start..).unwrap_or_default())
            .chars()
            .count()
            + 1;
        let what = format!("is not UTF-8 at line {line}, column {column}");
        refused(path, &what, "save it as UTF-8")
    })
}

/// Every file of a folder and the folders in it, by paths from the folder.
pub(super) fn files(folder: &Path) -> Result<Vec<SourceFile>, Failure> {
    let mut found = Vec::new();
    let mut folders = vec![(folder.to_path_buf(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        let entries = fs::read_dir(&folder).map_err(|error| unreadable(&folder, &error))?;
        for entry in entries {
            let entry = entry.map_err(|error| unreadable(&folder, &error))?;
            let path = entry.path();
            let kind = entry.file_type().map_err(|error| unreadable(&path, &error))?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if kind.is_dir() {
                folders.push((path, format!("{name}/")));
            } else if kind.is_file() {
                found.push(SourceFile::new(name, text(&path)?));
            } else if kind.is_symlink() {
                // On the base branch such rules are none: Git keeps the link and not what it leads to.
                return Err(refused(&path, "is a symbolic link", "put the file itself there"));
            } else {
                return Err(refused(
                    &path,
                    "is no file",
                    "take it out; rules are files and folders",
                ));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn refused(path: &Path, what: &str, help: &str) -> Failure {
    let help = help.to_owned();
    Failure::Files(vec![miette!(help = help, "`{}` {what}", path.display())])
}

pub(super) fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let help = match error.kind() {
        io::ErrorKind::NotFound => {
            "name what is there, or make a starter set with `countersign init --policies-out DIR`"
        }
        io::ErrorKind::PermissionDenied => "let this user read it",
        _ => "policy files are UTF-8 text in one folder",
    };
    Failure::Files(vec![miette!(
        help = help,
        "`{}` can't be read: {error}",
        path.display()
    )])
}

fn in_policy(error: &PolicyError, folder: &Path, files: &[SourceFile]) -> Report {
    let text = text_of(error.file(), files);
    let name = folder.join(error.file());
    let code = error.rule().as_str();
    report(
        error.message(),
        error.help(),
        Some(code),
        error.bytes(),
        (&name, text),
        Severity::Error,
    )
}

/// A finding, with the text around it.
pub(super) fn in_lint(finding: &Finding, folder: &Path, files: &[SourceFile]) -> Report {
    let text = text_of(finding.file(), files);
    let name = folder.join(finding.file());
    let severity = match finding.severity() {
        lint::Severity::Error => Severity::Error,
        lint::Severity::Warning => Severity::Warning,
    };
    let code = Some(finding.id());
    report(
        finding.message(),
        finding.remedy(),
        code,
        finding.bytes(),
        (&name, text),
        severity,
    )
}

fn text_of<'a>(path: &str, files: &'a [SourceFile]) -> Option<&'a str> {
    let file = files.iter().find(|file| file.path == path)?;
    Some(file.text.as_str())
}

/// An error of one file, with the text around it.
pub(super) fn in_file(error: &SourceError, name: &Path, text: &str) -> Report {
    report(
        error.message(),
        error.help(),
        None,
        error.bytes(),
        (name, Some(text)),
        Severity::Error,
    )
}

fn report(
    message: &str,
    help: Option<&str>,
    code: Option<&str>,
    bytes: Option<(usize, usize)>,
    (name, text): (&Path, Option<&str>),
    severity: Severity,
) -> Report {
    let name = name.display().to_string();
    let whole = match bytes {
        Some(_) => message.to_owned(),
        None => format!("{name}: {message}"),
    };
    let mut diagnostic = MietteDiagnostic::new(whole);
    diagnostic.help = help.map(Into::into);
    diagnostic.code = code.map(Into::into);
    diagnostic.severity = Some(severity);
    if let Some((start, length)) = bytes {
        diagnostic = diagnostic.with_label(LabeledSpan::at(start..start + length, "here"));
    }
    let report = Report::new(diagnostic);
    match text {
        Some(text) => report.with_source_code(NamedSource::new(name, text.to_owned())),
        None => report,
    }
}
