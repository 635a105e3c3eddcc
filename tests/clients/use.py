"""Uses the Python client of a service at API_URL."""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor

from client import ApiError, connect, unwrap
from my_service_client.api.authentication import logout
from my_service_client.api.items import create_item, list_items
from my_service_client.api.users import create_user, get_me
from my_service_client.models import ItemCreate, ProblemDetails, UserCreate


def main() -> None:
    """Use the client, and print what was found."""
    email, password = "bob@example.com", "Correct1Horse"
    problems: list[object] = []
    session, api = connect(os.environ["API_URL"])
    body = UserCreate(email=email, full_name="Bob", password=password)
    unwrap(create_user.sync_detailed(client=api, body=body))
    try:
        session.log_in(email, "Wrong1Horse")
    except ApiError as error:
        problems.append(error.problem.code)
    session.log_in(email, password)
    for title in ("red apple", "green apple", "pear"):
        unwrap(create_item.sync_detailed(client=api, body=ItemCreate(title=title)))
    invalid = create_item.sync(client=api, body=ItemCreate(title=""))
    assert isinstance(invalid, ProblemDetails)
    assert invalid.errors
    problems.append(".".join(map(str, invalid.errors[0].loc)))

    print("waiting", flush=True)  # until the access token is rejected
    sys.stdin.readline()
    with ThreadPoolExecutor() as pool:
        late = pool.submit(create_item.sync_detailed, client=api, body=ItemCreate(title="late"))
        me = pool.submit(get_me.sync_detailed, client=api)
        page = list_items.sync_detailed(client=api, q="apple", sort="-title", count=True)
        unwrap(late.result())
    titles = [item.title for item in unwrap(page)]
    count = page.headers["X-Total-Count"]
    print(json.dumps([problems, titles, count, unwrap(me.result()).email]))
    unwrap(logout.sync_detailed(client=api))


main()
