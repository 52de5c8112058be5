"""The page in a real browser: tests of what only a browser can show."""

import shutil

import pytest
from helpers.made_up_facts import facts, scenario
from helpers.rendering import rendered, write_report

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright (pip install -e '.[test]')")
CHROMIUM = next(
    filter(
        None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"))
    ),
    None,
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium or Chrome on the PATH"),
]


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    given = scenario("thirty combinations")
    given["report"] |= {"title": "<script>alert(1)</script> *x* $y$ [z](http://e)"}
    given["leaderboard"]["rows"][3]["training_loss"] = None
    given["leaderboard"]["rows"][5]["training_loss"] = 1.2e-5
    # The last run diverged in its first epoch.
    given["curves"]["runs"][-1] |= {"diverged": True, "validation_loss": [None] * 50}
    return rendered(write_report(tmp_path_factory.mktemp("page"), given), "html")


@pytest.fixture(scope="module")
def browser():
    # Without the browser's sandbox, which containers do not allow; it opens only our own page.
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser, page_file):
    """Open the page in a window of this width; console messages and requests are recorded in `seen`."""
    opened = []

    def open_at(width=1280, **options):
        page = browser.new_page(viewport={"width": width, "height": 900}, **options)
        opened.append(page)
        page.seen = {"console": [], "requests": [], "dialogs": []}
        page.on("console", lambda message: page.seen["console"].append(message.text))
        page.on("pageerror", lambda error: page.seen["console"].append(str(error)))
        page.on("request", lambda request: page.seen["requests"].append(request.url))
        page.on("dialog", lambda dialog: page.seen["dialogs"].append(dialog.message))
        page.goto(page_file.as_uri())
        return page

    yield open_at
    for page in opened:
        page.close()


def test_nothing_is_asked_of_the_network_and_nothing_complains(open_page, page_file):
    page = open_page()
    page.wait_for_load_state("networkidle")
    assert page.seen["console"] == []
    assert [url for url in page.seen["requests"] if not url.startswith("data:")] == [page_file.as_uri()]


def test_without_javascript_every_image_is_drawn_and_has_an_alternative_text(open_page):
    images = open_page(java_script_enabled=False).evaluate(
        "[...document.images].map(i => [i.alt.length, i.complete, i.naturalWidth, i.offsetWidth])"
    )
    assert len(images) == 8
    assert all(
        alternative > 20 and complete and natural and shown
        for alternative, complete, natural, shown in images
    )


def test_a_title_with_markup_is_text(open_page):
    page = open_page()
    assert page.locator("header h1").inner_text() == "<script>alert(1)</script> *x* $y$ [z](http://e)"
    assert page.title() == "<script>alert(1)</script> *x* $y$ [z](http://e)"
    assert page.seen["dialogs"] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "zoom"), [(1280, 1), (390, 1), (640, 2)])
def test_the_page_never_scrolls_sideways(open_page, width, zoom, scheme):
    # A zoom of 200% halves the page's width in CSS pixels.
    page = open_page(width // zoom, device_scale_factor=zoom, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    outside = page.evaluate(
        """[...document.querySelectorAll('main *')].filter(element =>
             element.getBoundingClientRect().right > innerWidth + 1
             && !element.closest('.scroll, pre, math, figure:not(.table)')
           ).map(element => element.outerHTML.slice(0, 80))"""
    )
    assert outside == []


def luminance(colour):
    """Relative luminance of an `rgb(...)` colour (WCAG 2.2)."""
    channels = [int(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "element", ["main p", "main a", "figcaption", ".important p", "nav a", "td", "h2", "pre code"]
)
def test_text_stands_out_from_its_ground(open_page, scheme, element):
    page = open_page(color_scheme=scheme)
    ink, ground = page.locator(element).first.evaluate(
        """element => {
             let ground = element;
             const colour = () => getComputedStyle(ground).backgroundColor;
             while (colour() === 'rgba(0, 0, 0, 0)') ground = ground.parentElement;
             return [getComputedStyle(element).color, colour()];
           }"""
    )
    lighter, darker = sorted([luminance(ink), luminance(ground)], reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5


def column(page, number):
    return page.locator(f"[id$='complete-leaderboard'] tbody tr td:nth-child({number})").all_inner_texts()


def test_the_leaderboard_is_sorted_by_the_keyboard(open_page):
    page = open_page()
    heads = page.locator("section[id$='complete-leaderboard'] th")
    accuracy = heads.nth(4)
    assert accuracy.inner_text().strip().startswith("Validation accuracy")
    best_first = [f"{86 - 0.1 * rank:.1f}%" for rank in range(30)]
    assert column(page, 5) == best_first

    accuracy.locator("button").focus()
    page.keyboard.press("Enter")
    assert accuracy.get_attribute("aria-sort") == "ascending"
    assert column(page, 5) == best_first[::-1]
    page.keyboard.press("Space")
    assert accuracy.get_attribute("aria-sort") == "descending"
    assert column(page, 5) == best_first

    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    assert accuracy.get_attribute("aria-sort") is None
    assert heads.nth(3).get_attribute("aria-sort") == "ascending"


def test_sorting_knows_powers_of_ten_and_keeps_what_is_missing_last(open_page):
    page = open_page()
    button = page.locator("section[id$='complete-leaderboard'] th").nth(9).locator("button")
    button.press("Enter")
    losses = column(page, 10)
    assert losses[0] == "1.20\u00a0\u00d7\u00a010\u207b\u2075"
    assert losses[-1] == "\u2013"
    button.press("Enter")
    losses = column(page, 10)
    assert losses[-2:] == ["1.20\u00a0\u00d7\u00a010\u207b\u2075", "\u2013"]


def test_the_first_tab_leads_past_the_contents(open_page):
    page = open_page()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the report"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_focus_can_be_seen(open_page):
    page = open_page()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_links_within_the_page_lead_somewhere(browser, tmp_path):
    page = browser.new_page()
    page.goto(rendered(write_report(tmp_path, facts()), "html").as_uri())
    dead = page.evaluate(
        """[...document.querySelectorAll('a[href^="#"]')]
           .map(link => link.getAttribute('href').slice(1)).filter(name => !document.getElementById(name))"""
    )
    page.close()
    assert dead == []


def values_of_curves(page):
    return page.locator(".curves .legend td:last-child").all_inner_texts()


def test_the_curves_tell_the_values_after_an_epoch_to_the_keyboard_and_the_pointer(open_page):
    page = open_page()
    # The losses of made-up runs fall linearly from ln 2; the last of the best run is 0.4.
    assert values_of_curves(page)[0] == "0.400"
    slider = page.get_by_label("Values after epoch")
    slider.press("ArrowLeft")
    assert slider.get_attribute("aria-valuetext") == "epoch 49"
    assert values_of_curves(page)[0] == "0.406"
    slider.press("Home")
    assert values_of_curves(page)[0] == "0.687"
    chart = page.locator(".curves > svg")
    chart.hover(position={"x": chart.bounding_box()["width"] - 12, "y": 100})
    assert slider.input_value() == "49"
    page.get_by_label("Quantity").select_option("Validation accuracy")
    assert values_of_curves(page)[0] == "86.0%"


def curves_drawn(page):
    return page.locator(".curves > svg g").count()


def test_runs_are_switched_on_and_off(open_page):
    page = open_page()
    # Of thirty runs, the best five are shown at first.
    assert curves_drawn(page) == 5
    second = page.get_by_label("2. lr 0.002, wd 0, m 0.9")
    second.press("Space")
    assert not second.is_checked()
    assert curves_drawn(page) == 4
    page.get_by_role("button", name="Show all").press("Enter")
    assert curves_drawn(page) == 30
    assert page.seen["console"] == []
    assert second.is_checked()
    page.get_by_role("button", name="Show none").click()
    assert curves_drawn(page) == 0


def test_losses_have_a_logarithmic_scale(open_page):
    page = open_page()
    path = page.locator(".curves > svg g path").first
    linear = path.get_attribute("d")
    page.get_by_label("Logarithmic scale").check()
    assert path.get_attribute("d") != linear
    page.get_by_label("Quantity").select_option("Training accuracy")
    assert page.get_by_label("Logarithmic scale").is_disabled()


def test_in_print_the_static_figure_stands_for_the_curves(open_page):
    page = open_page()
    image, curves = page.locator("#figure-training-curves > img"), page.locator(".curves")
    assert (image.is_visible(), curves.is_visible()) == (False, True)
    page.emulate_media(media="print")
    assert (image.is_visible(), curves.is_visible()) == (True, False)
