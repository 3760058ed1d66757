import React from 'react';
import { Navigate, Route, Routes } from 'react-router-dom';
import type { AppRootProps } from '@grafana/data';
import { PluginPage } from '@grafana/runtime';
import { EmptyState, LinkButton } from '@grafana/ui';
import { CONFIGURATION, RULES } from './links';
import { ImportPage } from './pages/ImportPage';
import { RulePage } from './pages/RulePage';
import { RulesPage } from './pages/RulesPage';
import { SettingsContext, type Settings } from './settings';

export default function App({ meta }: AppRootProps<Settings>) {
  if (!meta.jsonData?.apiUrl) {
    return <NotConfigured />;
  }
  return (
    <SettingsContext.Provider value={meta.jsonData}>
      <Routes>
        <Route path="rules" element={<RulesPage />} />
        <Route path="rules/:id/*" element={<RulePage />} />
        <Route path="new/*" element={<RulePage />} />
        <Route path="import" element={<ImportPage />} />
        <Route path="*" element={<Navigate to={RULES} replace />} />
      </Routes>
    </SettingsContext.Provider>
  );
}

const NotConfigured = () => (
  <PluginPage>
    <EmptyState
      variant="call-to-action"
      message="Where is BeTrace?"
      button={
        <LinkButton icon="cog" href={CONFIGURATION}>
          Configure
        </LinkButton>
      }
    >
      An administrator sets the address of its API.
    </EmptyState>
  </PluginPage>
);
