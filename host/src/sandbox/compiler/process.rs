//! Starts the compiler's process, gives it the component and takes its code, without waiting for one while the other is stuck.
//! Whatever the process does, what comes out is code or a refusal, and the process is gone.

use super::CompileLimits;
use super::end;
use super::reply::{self, HEAD_LEN, Kind};
use crate::sandbox::code::CODE_LEN_MAX;
use crate::sandbox::code::sealed::{Code, Draft};
use crate::sandbox::refusal::{QUOTE_LEN_MAX, Refusal};
use crate::sandbox::text;
use bytes::Bytes;
use std::io;
use std::path::Path;
use std::process::Stdio;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// Bytes that are taken at a time, which are held twice.
const CHUNK_LEN: usize = 256 * 1024;
/// Most bytes of its standard error that are looked at: it says there why it dies.
const STDERR_LEN_MAX: u64 = 16 * 1024;

/// What the allocator sets apart at a time, as it reads it from its environment, in KiB. Unsaid it is most of the memory that the process may name,
/// and threads could not begin.
const ARENA_RESERVE: (&str, &str) = ("MIMALLOC_ARENA_RESERVE", "32768");

/// What the process said with its output.
enum Said {
    Code(Code),
    Refusal(String),
    /// Nothing, or not to the end.
    Nothing,
}

/// Compiles `component` in a process. Dropping the future kills it.
pub(super) async fn compile(program: &Path, limits: CompileLimits, component: &Bytes) -> Result<Code, Refusal> {
    let cannot = |error: io::Error| Refusal::CompilerLost(format!("cannot run {}: {error}", program.display()));
    let mut child = spawn(program, limits).map_err(cannot)?;
    let ended = timeout(limits.wall_max.to_std(), talk(&mut child, component)).await;
    let Ok(ended) = ended else {
        // Waited for, so that no process is left behind; it cannot refuse.
        child.kill().await.map_err(cannot)?;
        return Err(end::out_of_wall_time(limits));
    };
    let (said, status, stderr) = ended.map_err(cannot)?;
    match said {
        Said::Code(code) if status.success() => Ok(code),
        Said::Refusal(said) if status.success() => Err(Refusal::NotCompilable(said)),
        Said::Code(_) | Said::Refusal(_) | Said::Nothing => Err(end::refusal(status, &stderr, limits)),
    }
}

fn spawn(program: &Path, limits: CompileLimits) -> io::Result<Child> {
    Command::new(program)
        .arg0("amends")
        .arg("compile-child")
        .arg("--memory-max")
        .arg(limits.memory_max.to_string())
        .arg("--cpu-max-s")
        .arg(limits.cpu_max_s.to_string())
        .env_clear()
        .env(ARENA_RESERVE.0, ARENA_RESERVE.1)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}

/// Talks with the process until it is over.
async fn talk(child: &mut Child, component: &Bytes) -> io::Result<(Said, std::process::ExitStatus, String)> {
    let mut stdin = child.stdin.take().expect("it is piped");
    let mut stdout = child.stdout.take().expect("it is piped");
    let stderr = child.stderr.take().expect("it is piped");
    // The three at once: a process that dies early closes its pipes, and one that says much must not wait for us to listen.
    let (said, (), stderr) = tokio::join!(listen(&mut stdout), give(&mut stdin, component), complaint(stderr));
    // A reply is complete: what else it might write is not waited for.
    drop(stdout);
    let status = child.wait().await?;
    // Held open until now: when it closes, the process takes itself for orphaned.
    drop(stdin);
    Ok((said?, status, stderr))
}

/// That the process does not take all of it is said by what it replies, or by how it ends.
async fn give(stdin: &mut ChildStdin, component: &Bytes) {
    let given = async {
        stdin.write_all(&reply::length(component)).await?;
        stdin.write_all(component).await?;
        stdin.flush().await
    };
    let _: io::Result<()> = given.await;
}

/// Errors are ours: no memory for the code.
async fn listen(stdout: &mut ChildStdout) -> io::Result<Said> {
    let mut head = [0; HEAD_LEN];
    if stdout.read_exact(&mut head).await.is_err() {
        return Ok(Said::Nothing);
    }
    match reply::head(head) {
        Some((Kind::Code, len)) if len <= CODE_LEN_MAX => code(stdout, len).await,
        Some((Kind::Refusal, len)) => Ok(refusal(stdout, len).await),
        Some((Kind::Code, _)) | None => Ok(Said::Nothing),
    }
}

/// Takes code as it comes, into memory that is sealed at its end.
async fn code(stdout: &mut ChildStdout, len: u64) -> io::Result<Said> {
    let mut draft = Draft::new()?;
    let mut chunk = vec![0; CHUNK_LEN];
    let mut left = len;
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(CHUNK_LEN).min(CHUNK_LEN);
        let read = stdout.read(&mut chunk[..most]).await.unwrap_or(0);
        if read == 0 {
            return Ok(Said::Nothing);
        }
        draft.write(&chunk[..read])?;
        left -= read as u64;
    }
    Ok(Said::Code(draft.seal()?))
}

async fn refusal(stdout: &mut ChildStdout, len: u64) -> Said {
    let mut said = Vec::new();
    let read = stdout.take(len.min(4 * QUOTE_LEN_MAX as u64)).read_to_end(&mut said).await;
    if read.is_ok_and(|read| read as u64 == len) {
        Said::Refusal(text::tidy(&String::from_utf8_lossy(&said), QUOTE_LEN_MAX))
    } else {
        Said::Nothing
    }
}

/// The first of what it writes to standard error. The rest is taken and forgotten, so that it does not wait for a reader.
async fn complaint(mut stderr: impl AsyncRead + Unpin) -> String {
    let mut said = Vec::new();
    let _ = (&mut stderr).take(STDERR_LEN_MAX).read_to_end(&mut said).await;
    let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&said).into_owned()
}
