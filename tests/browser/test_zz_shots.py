import asyncio, sys, pytest
from tests.browser.chat_page import ChatPage
from tests.browser.samples import TABLE_ANSWER
from playwright.async_api import expect

async def fill(chat, fake):
    await chat.ask("Qual foi a receita por região em 2017? Compare com o ano anterior, por favor.")
    t = await fake.next_turn(); t.start(provider="offline", model="offline-demo")
    t.call("c1", title="Consulta de vendas", arguments={"metrics":["revenue","win_rate"],"by":["regional_office"],"period":"2017"})
    t.called("c1", summary="3 regiões, receita total de US$ 10,0 milhões", result={"rows":3})
    t.call("c2", title="Cotação do dólar"); t.call_failed("c2", message="O serviço de câmbio não respondeu a tempo.")
    t.say(TABLE_ANSWER); t.complete(provider="offline", model="offline-demo")
    await expect(chat.last_answer.locator(".foot")).to_be_visible()
    await chat.ask("E quem mais vendeu?")
    t = await fake.next_turn(); t.start(provider="offline", model="offline-demo"); t.call("c3", title="Consulta de vendas")
    t.say("Quem mais vendeu foi **Darcel Schlecht**, com ")
    await expect(chat.last_text).to_contain_text("Darcel")
    await chat.ask("E no oeste?")
    await expect(chat.questions).to_have_count(3)
    await fake.next_turn()
    return t

@pytest.mark.parametrize("scheme", ["light","dark"])
async def test_shots(browser, base_url, fake, scheme):
    out="/tmp/shots/"
    for name, size in {"desktop":(1200,800),"mobile":(390,780)}.items():
        fake.sessions.clear()
        ctx = await browser.new_context(locale="pt-BR", viewport={"width":size[0],"height":size[1]}, color_scheme=scheme, device_scale_factor=1)
        page = await ctx.new_page(); chat = ChatPage(page)
        page.on("console", lambda m: print("CONSOLE", m.text)); page.on("pageerror", lambda e: print("ERR", e))
        await page.goto(base_url); await chat.wait_live(); await expect(chat.starters.first).to_be_visible()
        await page.screenshot(path=f"{out}{name}-{scheme}-empty.png")
        t = await fill(chat, fake)
        await page.screenshot(path=f"{out}{name}-{scheme}-end.png")
        await chat.scroller.evaluate("e => e.scrollTop = 0")
        await page.screenshot(path=f"{out}{name}-{scheme}-top.png")
        t.fail()
        await chat.scroller.evaluate("e => e.scrollTop = 1e9")
        await expect(chat.chat.locator(".fault").first).to_be_attached()
        await page.screenshot(path=f"{out}{name}-{scheme}-fault.png")
        await ctx.close()
    fake.sessions.clear()
    ctx = await browser.new_context(locale="pt-BR", viewport={"width":1200,"height":800}, color_scheme=scheme)
    page = await ctx.new_page(); chat = ChatPage(page)
    await page.goto(base_url+"/host?title=Vendas&accent=%23b45309&user=u1"); await page.screenshot(path=f"{out}host-{scheme}-closed.png")
    await chat.launcher.click(); await chat.wait_live(); await page.screenshot(path=f"{out}host-{scheme}-empty.png")
    await fill(chat, fake); await page.screenshot(path=f"{out}host-{scheme}-open.png")
