//! Reading policy files, and showing what is wrong in them where it stands.

use std::{fs, io, path::Path};

use miette::{LabeledSpan, MietteDiagnostic, NamedSource, Report, Severity, miette};

use super::Failure;
use crate::domain::{
    policy::{
        Policy, PolicyError, compile,
        lint::{self, Finding},
    },
    source::{SourceError, SourceFile},
};

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

/// One file as text.
pub(super) fn text(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| unreadable(path, &error))
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
            } else {
                found.push(SourceFile::new(name, text(&path)?));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

pub(super) fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let help = match error.kind() {
        io::ErrorKind::NotFound => "name what is there, or make a starter set with `countersign init`",
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
