"""The operators' own site; what it shows comes with later parts."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


@login_required
def console_home(request: HttpRequest) -> HttpResponse:
    return render(request, "retention_app/console/home.html")
