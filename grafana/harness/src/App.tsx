/** The addresses of Grafana at which the plugins are shown. */
import { useEffect, useState } from 'react';
import { AppEvents, createTheme, ThemeContext, type AlertErrorPayload, type AlertPayload } from '@grafana/data';
import { locationService } from '@grafana/runtime';
import { Alert, GlobalStyles, PortalContainer } from '@grafana/ui';
import { Router } from 'react-router-dom';
import { CompatRouter, Route, Routes } from 'react-router-dom-v5-compat';
import { Datasource } from './Datasource';
import { Page } from './Page';
import { appEvents } from './services';

const mode = new URLSearchParams(location.search).get('theme') === 'light' ? 'light' : 'dark';
const theme = createTheme({ colors: { mode } });

export function App({ app, datasource }: { app: any; datasource: any }) {
  useEffect(() => intercept(), []);
  const Root = app.root;
  const { body: Config } = app.configPages[0];
  return (
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <Router history={locationService.getHistory() as any}>
        <CompatRouter>
          <Routes>
            <Route
              path="/a/betrace-app/*"
              element={
                <Root meta={app.meta} basename="/a/betrace-app" query={{}} path="" onNavChanged={() => undefined} />
              }
            />
            <Route
              path="/plugins/betrace-app"
              element={
                <Page pageNav={{ text: 'BeTrace' }}>
                  <Config plugin={app} query={{}} />
                </Page>
              }
            />
            {datasource && (
              <Route
                path="/explore"
                element={
                  <Page pageNav={{ text: 'Explore' }}>
                    <Datasource plugin={datasource} />
                  </Page>
                }
              />
            )}
          </Routes>
        </CompatRouter>
      </Router>
      <Messages />
      <PortalContainer />
    </ThemeContext.Provider>
  );
}

/** Links within Grafana change the address without loading the page. */
function intercept() {
  const follow = (event: MouseEvent) => {
    const anchor = (event.target as Element).closest('a');
    const href = anchor?.getAttribute('href');
    if (href?.startsWith('/') && !anchor?.target && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      locationService.push(href);
    }
  };
  document.addEventListener('click', follow);
  return () => document.removeEventListener('click', follow);
}

function Messages() {
  const [shown, setShown] = useState<Array<{ severity: 'success' | 'error'; text: string; detail?: string }>>([]);
  useEffect(() => {
    const success = ([text]: AlertPayload = ['']) => setShown([{ severity: 'success', text }]);
    const failure = ([text, detail]: AlertErrorPayload = ['']) =>
      setShown([{ severity: 'error', text, detail: detail && String(detail) }]);
    appEvents.on(AppEvents.alertSuccess, success);
    appEvents.on(AppEvents.alertError, failure);
    return () => {
      appEvents.off(AppEvents.alertSuccess, success);
      appEvents.off(AppEvents.alertError, failure);
    };
  }, []);
  return (
    <div
      style={{ position: 'fixed', top: 48, right: 16, zIndex: 2000, maxWidth: 400 }}
      aria-live="polite"
      data-testid="messages"
    >
      {shown.map(({ severity, text, detail }) => (
        <Alert key={text} severity={severity} title={text} elevated onRemove={() => setShown([])}>
          {detail}
        </Alert>
      ))}
    </div>
  );
}
