//! Pictures of the pages, for documents: a system starts, some things happen in it, and a browser
//! takes the pictures.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use harness::system::{System, SystemOptions};
use local_lambda::Children;

use crate::Pages;
use crate::browser::{Browser, View};

/// How long a scene may take to come about: a check-back comes after 6 to 11 s.
const SCENE: Duration = Duration::from_secs(60);

/// The width of a README's column is less; at this width the pages show all they have.
const WIDTH: u32 = 1_280;
const CONSOLE_HEIGHT: u32 = 1_160;
const API_HEIGHT: u32 = 860;

/// Takes the pictures of a system with these options into `folder`, each in light and in dark.
/// Returns the files.
///
/// # Errors
/// When the system or the browser does not start, or a scene does not come about.
pub async fn take(mut options: SystemOptions, folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    tokio::fs::create_dir_all(folder).await?;
    let pages = Pages::of(&mut options);
    let mut system = System::start(options).await?;
    let taken = take_of(&pages, &mut system, folder).await;
    pages.detach(&mut system).await;
    system.stop().await;
    taken
}

async fn take_of(
    pages: &Pages,
    system: &mut System,
    folder: &Path,
) -> anyhow::Result<Vec<PathBuf>> {
    pages.attach(system)?;
    let children = Children::new()?;
    let browser = Browser::start(&children).await?;
    let mut taken = Vec::new();
    let view =
        View { width: WIDTH, height: CONSOLE_HEIGHT, is_dark: false, has_forced_colours: false };
    repaired_order(&browser, system, view).await.context("the scene of the console")?;
    taken.extend(both(&browser, view, folder, "console").await?);
    let view = View { height: API_HEIGHT, ..view };
    browser.show_with(view).await?;
    browser.open(&format!("{}/docs", system.api_url)).await?;
    let is_shown = "document.querySelector('.swagger-ui .opblock')";
    browser.until(is_shown, SCENE).await.context("the scene of the API")?;
    taken.extend(both(&browser, view, folder, "api").await?);
    browser.stop().await;
    Ok(taken)
}

/// A shop with some orders, and one whose process was killed before the commit and that the
/// check-back has repaired.
async fn repaired_order(browser: &Browser, system: &System, view: View) -> anyhow::Result<()> {
    browser.show_with(view).await?;
    browser.open(&format!("{}/console", system.api_url)).await?;
    let count = |name: &str| {
        let box_of = format!("document.querySelector('#counters [data-id={name}] dd')");
        format!("Number({box_of}?.innerText)")
    };
    browser.until("document.getElementById('live').dataset.is === 'live'", SCENE).await?;
    browser.press("t").await?;
    browser.until(&format!("{} >= 10", count("confirmed")), SCENE).await?;
    browser.press("2").await?;
    browser.until(&format!("{} > 0", count("killed")), SCENE).await?;
    browser.press("3").await?;
    let verdict = "document.getElementById('verdict').innerText";
    browser.until(&format!("{verdict}.startsWith('✓ Repaired: the order was')"), SCENE).await?;
    browser.until(&format!("{} > 0", count("rollbacks")), SCENE).await?;
    let is_handled = "document.getElementById('story-state').innerText.includes('confirmed') && \
                      document.querySelector('.step[data-kind=finish]')";
    browser.until(is_handled, SCENE).await?;
    // Without the focus ring of the last press, and after the last steps have appeared.
    browser
        .run("document.activeElement.blur(); document.getElementById('said').textContent = ''")
        .await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ok(())
}

/// Takes the page that is open in light and in dark.
async fn both(
    browser: &Browser,
    view: View,
    folder: &Path,
    name: &str,
) -> anyhow::Result<Vec<PathBuf>> {
    let mut taken = Vec::new();
    for (is_dark, scheme) in [(false, "light"), (true, "dark")] {
        browser.show_with(View { is_dark, ..view }).await?;
        // One frame, so that the page is drawn with its new colours.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let file = folder.join(format!("{name}-{scheme}.png"));
        tokio::fs::write(&file, browser.picture().await?).await?;
        taken.push(file);
    }
    Ok(taken)
}
